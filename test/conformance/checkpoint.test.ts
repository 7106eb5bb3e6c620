// A model that PyTorch saved, loaded by its own names, gives what it gave there: scripts/fixtures/checkpoint.py.

import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import { loadSafetensors, nn, type Tensor } from "../../src/index.js";
import { conformance } from "./torch.js";

class Model {
  readonly features = new nn.Sequential(
    new nn.Conv2d(1, 4, 3),
    new nn.BatchNorm2d(4),
    (x) => x.relu(),
    new nn.Flatten(2),
  );
  readonly reader = new nn.GRU(9, 4, { bidirectional: true });
  readonly encoder = new nn.TransformerEncoder(
    () => new nn.TransformerEncoderLayer(8, 2, { feedForward: 6, dropout: 0 }),
    1,
  );
  readonly headNorm = new nn.LayerNorm(8);

  forward(x: Tensor): Tensor {
    const [y] = this.reader.forward(this.features.forward(x));
    return this.headNorm.forward(this.encoder.forward(y));
  }
}

const file = fileURLToPath(new URL("../fixtures/torch/checkpoint.safetensors", import.meta.url));
const saved = await loadSafetensors(file);

it("names of a model agree with PyTorch's", () => {
  const names = Object.keys(nn.stateDict(new Model(), { names: "torch" }));
  expect(names.sort()).toEqual(Object.keys(saved).sort());
});

await conformance("checkpoint", {
  checkpoint([x]) {
    const model = new Model();
    nn.loadStateDict(model, saved, { names: "torch" });
    nn.evaluate(model);
    return model.forward(x);
  },
});
