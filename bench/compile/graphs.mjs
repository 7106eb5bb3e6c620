// The computations whose compiling is timed. Each gives, from the library, what must be in memory first, and a step that
// builds the graph.

/** ResNet-50 for one image: 53 convolutions, each with the scale and shift of its batch norm, and a linear layer. */
export function resnet50({ Tensor }) {
  const parameter = (...shape) =>
    Tensor.from(new Float32Array(shape.reduce((a, b) => a * b)).fill(0.01), { shape });
  const convolution = (inputs, outputs, size, stride) => {
    const w = parameter(outputs, inputs, size, size);
    const [scale, shift] = [parameter(1, outputs, 1, 1), parameter(1, outputs, 1, 1)];
    return (x) =>
      x
        .conv2d(w, undefined, { stride, padding: size >> 1 })
        .mul(scale)
        .add(shift);
  };
  const blocks = [];
  let channels = 64;
  const first = convolution(3, 64, 7, 2);
  [3, 4, 6, 3].forEach((count, stage) => {
    const inner = 64 << stage;
    for (let i = 0; i < count; i++) {
      const stride = i === 0 && stage > 0 ? 2 : 1;
      const down = i === 0 ? convolution(channels, inner * 4, 1, stride) : (x) => x;
      const path = [
        convolution(channels, inner, 1, 1),
        convolution(inner, inner, 3, stride),
        convolution(inner, inner * 4, 1, 1),
      ];
      blocks.push((x) =>
        path[2](path[1](path[0](x).relu()).relu())
          .add(down(x))
          .relu(),
      );
      channels = inner * 4;
    }
  });
  const [w, b] = [parameter(1000, channels), parameter(1000)];
  const image = parameter(1, 3, 224, 224);
  return {
    inputs: [],
    step() {
      let x = first(image).relu().maxPool2d(3, { stride: 2, padding: 1 });
      for (const block of blocks) x = block(x);
      return x.mean([2, 3]).linear(w, b);
    },
  };
}

/** A training step of a network for digits: four convolutions, two pools, a linear layer, Adam; batch 128. */
export function mnist({ Tensor, nn }) {
  const layers = [
    new nn.Conv2d(1, 32, 5),
    new nn.Conv2d(32, 32, 5),
    new nn.Conv2d(32, 64, 3),
    new nn.Conv2d(64, 64, 3),
    new nn.Linear(576, 10),
  ];
  const [c1, c2, c3, c4, last] = layers;
  const parameters = nn.parameters(layers);
  const optimiser = new nn.Adam(parameters, { lr: 1e-3 });
  const images = Tensor.from(new Float32Array(128 * 784), { shape: [128, 1, 28, 28] });
  const labels = Tensor.from(new Int32Array(128));
  return {
    inputs: parameters,
    step() {
      let x = c2.forward(c1.forward(images).relu()).relu().maxPool2d(2);
      x = c4.forward(c3.forward(x).relu()).relu().maxPool2d(2);
      return trained(optimiser, last.forward(x.flatten(1)).crossEntropy(labels));
    },
  };
}

/** A training step of two transformer layers: 256 features, 4 heads, 8 sequences of 64, Adam. */
export function transformer({ Tensor, nn }) {
  const layers = [0, 1].map(() => new nn.TransformerEncoderLayer(256, 4, { feedForward: 1024, dropout: 0 }));
  const parameters = nn.parameters(layers);
  const optimiser = new nn.Adam(parameters, { lr: 1e-3 });
  const x = Tensor.from(new Float32Array(8 * 64 * 256).fill(0.1), { shape: [8, 64, 256] });
  return {
    inputs: parameters,
    step() {
      const y = layers.reduce((z, layer) => layer.forward(z), x);
      return trained(optimiser, y.square().mean());
    },
  };
}

function trained(optimiser, loss) {
  optimiser.zeroGrad();
  loss.backward();
  optimiser.step();
  return loss;
}

/** One matrix product: the first result of a fresh process. */
export function matmul({ Tensor }) {
  const x = Tensor.from(new Float32Array(128 * 128), { shape: [128, 128] });
  return { inputs: [], step: () => x.matmul(x.add(1)) };
}
