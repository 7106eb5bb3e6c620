// Trains the cost model by brisc itself: a small network from features to the logarithm of the time, on the differences
// between candidates of one kernel, since ranking them is what it is for.

import { writeFileSync } from "node:fs";
import { jit, manualSeed, nn, Tensor } from "../../src/index.js";
import { FEATURE_COUNT } from "../../src/schedule/search/features.js";
import { HIDDEN } from "../../src/schedule/search/model.js";
import { HostRandom } from "../../src/scalar/host-random.js";
import { type Sample, samplesIn } from "./collect.js";

/** Kernels in a step, and candidates of each. */
const GROUPS = 16;
const EACH = 16;
const WEIGHTS = "src/schedule/search/weights.ts";

/** Candidates with a time, as rows of features and logarithms of times. */
interface Group {
  readonly features: readonly Float32Array[];
  readonly times: Float32Array;
}

function groupOf({ features, nanoseconds }: Sample): Group {
  const sound = nanoseconds.flatMap((ns, i) => (ns === null ? [] : [i]));
  return {
    features: sound.map((i) => Float32Array.from(features[i])),
    times: Float32Array.from(sound, (i) => Math.log2(nanoseconds[i]!)),
  };
}

/** Features less their mean, over their deviation. */
function scaleOf(groups: readonly Group[]): { mean: Float32Array; deviation: Float32Array } {
  const rows = groups.flatMap(({ features }) => features);
  const mean = new Float32Array(FEATURE_COUNT);
  const deviation = new Float32Array(FEATURE_COUNT);
  for (let j = 0; j < FEATURE_COUNT; j++) {
    mean[j] = rows.reduce((sum, row) => sum + row[j], 0) / rows.length;
    const variance = rows.reduce((sum, row) => sum + (row[j] - mean[j]) ** 2, 0) / rows.length;
    deviation[j] = Math.max(1e-3, Math.sqrt(variance));
  }
  return { mean, deviation };
}

class Network {
  readonly first = new nn.Linear(FEATURE_COUNT, HIDDEN);
  readonly second = new nn.Linear(HIDDEN, HIDDEN);
  readonly last = new nn.Linear(HIDDEN, 1);

  forward(x: Tensor): Tensor {
    return this.last.forward(this.second.forward(this.first.forward(x).relu()).relu());
  }
}

/** Trains on a file's kernels that are not held out, and writes the weights into the source. */
export async function train(file: string, steps: number): Promise<void> {
  manualSeed(1);
  const groups = samplesIn(file)
    .filter(({ heldOut }) => !heldOut)
    .map(groupOf)
    .filter(({ times }) => times.length >= 4);
  const { mean, deviation } = scaleOf(groups);
  const network = new Network();
  const optimiser = new nn.AdamW(nn.parameters(network), { lr: 2e-3, weightDecay: 1e-2 });
  const rates = new nn.Scheduler(optimiser, nn.schedules.cosine(2e-3, steps));
  // x: [GROUPS, EACH, FEATURE_COUNT], y: [GROUPS, EACH]
  const step = jit((x: Tensor, y: Tensor) => {
    const predicted = network.forward(x.reshape([GROUPS * EACH, FEATURE_COUNT])).reshape([GROUPS, EACH]);
    const within = (t: Tensor): Tensor => t.sub(t.mean(1, { keepdim: true }));
    const loss = within(predicted).smoothL1Loss(within(y)).add(predicted.sub(y).square().mean().mul(0.01));
    optimiser.zeroGrad();
    loss.backward();
    optimiser.step();
    return loss;
  });
  const random = new HostRandom(2);
  let shown = 0;
  for (let i = 1; i <= steps; i++) {
    const x = new Float32Array(GROUPS * EACH * FEATURE_COUNT);
    const y = new Float32Array(GROUPS * EACH);
    let [group] = groups;
    for (let row = 0; row < GROUPS * EACH; row++) {
      if (row % EACH === 0) group = groups[random.below(groups.length)];
      const at = random.below(group.times.length);
      y[row] = group.times[at];
      for (let j = 0; j < FEATURE_COUNT; j++) {
        x[row * FEATURE_COUNT + j] = (group.features[at][j] - mean[j]) / deviation[j];
      }
    }
    const loss = await step(
      Tensor.from(x).reshape([GROUPS, EACH, FEATURE_COUNT]),
      Tensor.from(y).reshape([GROUPS, EACH]),
    );
    rates.step();
    shown += Number(await loss.item());
    if (i % 500 === 0) {
      console.log(`step ${i}: loss ${(shown / 500).toFixed(4)}`);
      shown = 0;
    }
  }
  const parts: Float32Array[] = [mean, deviation];
  for (const { weight, bias } of [network.first, network.second, network.last]) {
    parts.push(Float32Array.from((await weight.data()) as Float32Array));
    parts.push(Float32Array.from((await bias!.data()) as Float32Array));
  }
  const text = Buffer.concat(parts.map((part) => new Uint8Array(part.buffer.slice(0)))).toString("base64");
  const lines = text.match(/.{1,100}/g)!.map((line) => `  "${line}",`);
  writeFileSync(
    WEIGHTS,
    `// Weights of the cost model, made by \`npm run cost-model -- train\` (scripts/cost-model): float32, in base64.\n\n` +
      `// biome-ignore format: written by a program\nexport const WEIGHTS = [\n${lines.join("\n")}\n].join("");\n`,
  );
  console.log(`${WEIGHTS}: ${text.length} characters, from ${groups.length} kernels`);
}
