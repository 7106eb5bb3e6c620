// Random chains of Tensor methods. Values are small whole numbers throughout, so that every device must give the same
// bits, however it orders sums; gradients may differ by roundings where ties are shared.

import { grad, Tensor } from "../../src/index.js";

/** Numbers below n, the same for one seed. */
export type Random = (below: number) => number;

export function randomOf(seed: number): Random {
  let state = (seed * 2654435761) >>> 0;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

/** Whole numbers from -5 to 5. */
function leaf(random: Random, shape: readonly number[]): Tensor {
  const size = shape.reduce((n, d) => n * d, 1);
  return Tensor.from(
    Float32Array.from({ length: size }, () => random(11) - 5),
    { shape },
  );
}

const axisOf = (x: Tensor, random: Random): number => random(x.ndim);
const index = (random: Random, shape: readonly number[], size: number): Tensor =>
  Tensor.from(
    Int32Array.from({ length: shape.reduce((n, d) => n * d, 1) }, () => random(2 * size) - size),
    { shape },
  );

type Step = (x: Tensor, random: Random) => Tensor;

/** Each keeps whole numbers whole; results beyond a few digits are brought back by a remainder. */
const STEPS: Readonly<Record<string, Step>> = {
  add: (x, r) => x.add(leaf(r, x.sizes)),
  multiply: (x, r) => x.mul(leaf(r, x.sizes.slice(-1))),
  subtractRow: (x, r) => x.sub(leaf(r, [1, ...x.sizes.slice(1)])),
  relu: (x) => x.relu(),
  abs: (x) => x.abs(),
  clamp: (x) => x.clamp(-3, 4),
  square: (x) => x.square(),
  where: (x, r) => x.gt(0).where(x, leaf(r, x.sizes)),
  maskedFill: (x) => x.maskedFill(x.eq(2), -1),
  maximum: (x, r) => x.maximum(leaf(r, x.sizes)),
  sum: (x, r) => x.sum(axisOf(x, r), { keepdim: r(2) === 0 }),
  max: (x, r) => x.max(axisOf(x, r), { keepdim: r(2) === 0 }),
  centred: (x, r) => x.sub(x.max(axisOf(x, r), { keepdim: true })),
  argmax: (x, r) => x.add(x.argmax(axisOf(x, r), { keepdim: true })),
  cumsum: (x, r) => x.cumsum(axisOf(x, r)),
  cummax: (x, r) => x.cummax(axisOf(x, r)).values,
  sort: (x, r) => x.sort({ axis: axisOf(x, r), descending: r(2) === 0 }).values,
  argsort: (x, r) => x.add(x.argsort({ axis: axisOf(x, r) })),
  topk: (x, r) => {
    const axis = axisOf(x, r);
    return x.topk(1 + r(x.sizes[axis]), { axis }).values;
  },
  transpose: (x, r) => x.transpose(axisOf(x, r), axisOf(x, r)),
  flip: (x, r) => x.flip(axisOf(x, r)),
  roll: (x, r) => x.roll(r(7) - 3, axisOf(x, r)),
  pad: (x, r) =>
    x.pad(
      x.shape.map(() => [r(2), r(3)] as [number, number]),
      { value: r(3) - 1 },
    ),
  reflect: (x, r) => {
    const axis = axisOf(x, r);
    const by = Math.min(2, x.sizes[axis] - 1);
    return x.pad(
      x.shape.map((_, i) => (i === axis ? [by, by] : [0, 0]) as [number, number]),
      { mode: "reflect" },
    );
  },
  slice: (x, r) => x.slice(x.shape.map(() => [null, null, [1, 2, -1, -2][r(4)]])),
  repeat: (x, r) => x.repeat(x.shape.map(() => 1 + r(2))),
  unfold: (x, r) => {
    const axis = axisOf(x, r);
    return x.unfold(axis, Math.min(2, x.sizes[axis]), 1 + r(2));
  },
  flatten: (x) => x.flatten(),
  split: (x) => x.unsqueeze(0),
  cat: (x, r) => x.cat(axisOf(x, r), x.add(1)),
  gather: (x, r) => {
    const axis = axisOf(x, r);
    const shape = x.sizes.map((d, i) => (i === axis ? 3 : d));
    return x.gather(axis, index(r, shape, x.sizes[axis]));
  },
  indexSelect: (x, r) => {
    const axis = axisOf(x, r);
    return x.indexSelect(axis, index(r, [4], x.sizes[axis]));
  },
  scatterAdd: (x, r) => {
    const axis = axisOf(x, r);
    return x.scatterAdd(axis, index(r, x.sizes, x.sizes[axis]), leaf(r, x.sizes));
  },
  scatterMax: (x, r) => {
    const axis = axisOf(x, r);
    return x.scatterReduce(axis, index(r, x.sizes, x.sizes[axis]), leaf(r, x.sizes), "amax");
  },
  tril: (x, r) => (x.ndim < 2 ? x : x.tril(r(3) - 1)),
  diagonal: (x) => (x.ndim < 2 ? x : x.diagonal()),
  matmul: (x, r) => x.matmul(leaf(r, [x.sizes[x.ndim - 1], 3])),
  conv: (x, r) => {
    const rows = x.reshape([-1, 1, x.sizes[x.ndim - 1]]);
    return rows.conv1d(leaf(r, [2, 1, 2]), undefined, { padding: 1, stride: 1 + r(2) }).flatten(0, 1);
  },
  maxPool: (x, r) => {
    const rows = x.reshape([1, -1, x.sizes[x.ndim - 1]]);
    return rows.maxPool1d(2, { stride: 1 + r(2), padding: 1 }).squeeze(0);
  },
  oneHot: (x) => x.mul(x.remainder(4).int().oneHot(4).sum(-1)),
  searchsorted: (x, r) => x.add(leaf(r, [6]).sort().values.searchsorted(x)),
  einsum: (x, r) => Tensor.einsum("...i,ij->...j", x, leaf(r, [x.sizes[x.ndim - 1], 2])),
};

/** Keeps numbers of few digits, shapes of few elements and few axes. */
function bounded(x: Tensor): Tensor {
  let y = x.remainder(23).sub(11);
  while (y.ndim > 3) y = y.flatten(0, 1);
  if (y.ndim === 0) y = y.reshape([1]);
  const over = y.sizes.findIndex((d) => d > 9);
  if (over >= 0) y = y.narrow(over, 1, 7);
  return y.sizes.some((d) => d > 9) ? bounded(y) : y;
}

export interface Chain {
  readonly names: readonly string[];
  readonly value: Tensor;
  readonly gradient: Tensor;
}

/** The same chain for the same seed. */
export function randomChain(seed: number): Chain {
  const random = randomOf(seed);
  const shape = Array.from({ length: 1 + random(3) }, () => 1 + random(5));
  const start = leaf(random, shape);
  const names = Object.keys(STEPS);
  const chosen = Array.from({ length: 3 + random(6) }, () => names[random(names.length)]);
  const seedOfSteps = random(2 ** 30);
  const run = (x: Tensor): Tensor => {
    const own = randomOf(seedOfSteps);
    return chosen.reduce((y, name) => bounded(STEPS[name](y, own)), x);
  };
  const value = run(start);
  const weights = leaf(randomOf(seed + 1), value.sizes);
  return { names: chosen, value, gradient: grad((x: Tensor) => run(x).mul(weights).sum())(start) };
}
