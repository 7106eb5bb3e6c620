// Every rule of differentiation in both orders, and in forward mode, against central differences in float64: each
// method below is a function of numbers, so that all its points are checked at once.

import { describe, expect, it } from "vitest";
import { grad, jvp, Tensor } from "../../src/index.js";

const device = "interpreter";
const numbers = async (x: Tensor): Promise<number[]> => Array.from(await x.data({ device }), Number);
const doubles = (values: readonly number[], shape: readonly number[] = [values.length]): Tensor =>
  Tensor.from(Float64Array.from(values), { shape });

type F = (x: Tensor) => Tensor;
const STEP = 1e-5;

/** (f(x + h) - f(x - h)) / 2h, element by element. */
const differences = (f: F, x: Tensor): Tensor =>
  f(x.add(STEP))
    .sub(f(x.sub(STEP)))
    .div(2 * STEP);

async function expectClose(name: string, found: Tensor, expected: Tensor, points: readonly number[]) {
  const both = await numbers(Tensor.stack([found, expected]));
  points.forEach((x, i) => {
    const [a, b] = [both[i], both[points.length + i]];
    expect(Math.abs(a - b) <= 2e-6 * (1 + Math.abs(b)), `${name} at ${x}: ${a}, should be ${b}`).toBe(true);
  });
}

async function check(f: F, points: readonly number[]): Promise<void> {
  const x = doubles(points);
  const first: F = grad((y: Tensor) => f(y).sum());
  const second: F = grad((y: Tensor) => first(y).sum());
  await expectClose("slope", first(x), differences(f, x), points);
  await expectClose("slope forward", jvp(f, [x], [x.onesLike()])[1], first(x), points);
  await expectClose("second slope", second(x), differences(first, x), points);
}

/** Points by domain, away from kinks and poles. */
const REAL = [-2.3, -1.2, -0.83, -0.31, 0.17, 0.46, 0.77, 1.62, 2.9];
const POSITIVE = [0.13, 0.41, 0.87, 1.4, 2.2, 3.7];
const UNIT = [-0.93, -0.52, -0.11, 0.28, 0.61, 0.97];
const INNER = [0.08, 0.27, 0.51, 0.73, 0.94];
const ABOVE = [1.08, 1.5, 2.3, 4.1];

const w = (x: Tensor): Tensor => doubles([0.7]).expand(x.shape as number[]);

const domains: readonly (readonly [points: readonly number[], functions: Record<string, F>])[] = [
  [
    REAL,
    {
      neg: (x) => x.neg(),
      abs: (x) => x.abs(),
      sign: (x) => x.sign().mul(x),
      square: (x) => x.square(),
      reciprocal: (x) => x.reciprocal(),
      exp: (x) => x.exp(),
      exp2: (x) => x.exp2(),
      expm1: (x) => x.expm1(),
      sin: (x) => x.sin(),
      cos: (x) => x.cos(),
      tan: (x) => x.tan(),
      tanh: (x) => x.tanh(),
      sinh: (x) => x.sinh(),
      cosh: (x) => x.cosh(),
      erf: (x) => x.erf(),
      erfc: (x) => x.erfc(),
      erfcx: (x) => x.erfcx(),
      floor: (x) => x.floor().mul(x),
      ceil: (x) => x.ceil().mul(x),
      trunc: (x) => x.trunc().mul(x),
      round: (x) => x.round().mul(x),
      frac: (x) => x.frac().square(),
      clamp: (x) => x.clamp(-0.9, 1.1).pow(3),
      atan: (x) => x.atan(),
      asinh: (x) => x.asinh(),
      deg2rad: (x) => x.deg2rad().exp(),
      rad2deg: (x) => x.rad2deg(),
      sinc: (x) => x.sinc(),
      cbrt: (x) => x.cbrt(),
      expit: (x) => x.expit(),
      ndtr: (x) => x.ndtr(),
      logNdtr: (x) => x.logNdtr(),
      lgamma: (x) => x.lgamma(),
      digamma: (x) => x.digamma(),
      i0: (x) => x.i0(),
      i0e: (x) => x.i0e(),
      i1: (x) => x.i1(),
      i1e: (x) => x.i1e(),
      nanToNum: (x) => x.nanToNum().pow(3),
      relu: (x) => x.relu().pow(3),
      relu6: (x) => x.mul(2.5).relu6().pow(3),
      leakyRelu: (x) => x.leakyRelu().pow(3),
      hardTanh: (x) => x.hardTanh().pow(3),
      threshold: (x) => x.threshold(0.3, 2).pow(3),
      hardshrink: (x) => x.hardshrink().pow(3),
      softshrink: (x) => x.softshrink().pow(3),
      sigmoid: (x) => x.sigmoid(),
      logSigmoid: (x) => x.logSigmoid(),
      softplus: (x) => x.softplus(1.5),
      silu: (x) => x.silu(),
      gelu: (x) => x.gelu(),
      geluTanh: (x) => x.gelu({ approximate: "tanh" }),
      elu: (x) => x.elu(),
      celu: (x) => x.celu(0.7),
      selu: (x) => x.selu(),
      hardSigmoid: (x) => x.mul(2).hardSigmoid().pow(3),
      hardSwish: (x) => x.mul(2).hardSwish(),
      mish: (x) => x.mish(),
      softsign: (x) => x.softsign(),
      tanhshrink: (x) => x.tanhshrink(),
      // Both sides of two-sided functions, and the two together.
      add: (x) => x.exp().add(x),
      sub: (x) => x.exp().sub(x.sin()),
      rsub: (x) => x.exp().rsub(2),
      mul: (x) => x.mul(x.sin()),
      div: (x) => x.sin().div(x),
      rdiv: (x) => x.rdiv(2),
      mod: (x) => x.exp().mod(x),
      fmod: (x) => x.exp().fmod(x),
      maximum: (x) => x.exp().maximum(x.square()),
      minimum: (x) => x.exp().minimum(x.square()),
      fmax: (x) => x.exp().fmax(x.square()),
      fmin: (x) => x.exp().fmin(x.square()),
      lerp: (x) => x.lerp(x.exp(), x.sin()),
      addcmul: (x) => x.addcmul(x.exp(), x.sin(), { value: 2 }),
      addcdiv: (x) => x.addcdiv(x.exp(), x.square().add(1), { value: 2 }),
      atan2: (x) => x.atan2(x.exp()),
      "atan2, the other side": (x) => w(x).atan2(x),
      hypot: (x) => x.hypot(x.exp()),
      logaddexp: (x) => x.logaddexp(x.sin()),
      logaddexp2: (x) => x.logaddexp2(x.sin()),
      copysign: (x) => x.pow(3).copysign(x.sin()),
      rpow: (x) => x.rpow(1.7),
      ldexp: (x) => x.ldexp(3).sin(),
      where: (x) => x.gt(0.2).where(x.square(), x.exp()),
      maskedFill: (x) => x.exp().maskedFill(x.gt(0.2), 3),
      detach: (x) => x.exp().mul(x.sign().detach()),
      "a power of a whole number": (x) => x.pow(3),
      "a whole power of a negative number": (x) => x.pow(-2),
    },
  ],
  [
    POSITIVE,
    {
      sqrt: (x) => x.sqrt(),
      rsqrt: (x) => x.rsqrt(),
      log: (x) => x.log(),
      log2: (x) => x.log2(),
      log10: (x) => x.log10(),
      log1p: (x) => x.log1p(),
      pow: (x) => x.pow(2.7),
      "pow of its exponent": (x) => w(x).pow(x),
      "pow of both": (x) => x.pow(x),
      floatPower: (x) => x.floatPower(1.3),
      xlogy: (x) => x.xlogy(x.add(1)),
      xlog1py: (x) => x.xlog1py(x),
      entr: (x) => x.entr(),
      polygamma: (x) => x.polygamma(2),
      multigammaln: (x) => x.add(1).multigammaln(3),
      betaln: (x) => x.betaln(x.add(0.3)),
    },
  ],
  [
    UNIT,
    { asin: (x) => x.asin(), acos: (x) => x.acos(), atanh: (x) => x.atanh(), erfinv: (x) => x.erfinv() },
  ],
  [INNER, { logit: (x) => x.logit(), ndtri: (x) => x.ndtri() }],
  [ABOVE, { acosh: (x) => x.acosh() }],
];

for (const [points, functions] of domains) {
  describe(`slopes of both orders in [${points[0]}, ${points[points.length - 1]}]`, () => {
    for (const [name, f] of Object.entries(functions)) it(name, () => check(f, points));
  });
}

describe("slopes of both orders along one parameter, of what is no function of single numbers", () => {
  /** A [3, 4] tensor that moves with each of the points: one row of the result for each. */
  const moved = (t: Tensor): Tensor =>
    t
      .reshape([t.size, 1, 1])
      .mul(doubles([0.3, -0.7, 1.1, 0.4, 0.9, -1.3, 0.2, 0.8, -0.6, 0.5, 1.4, -0.2], [1, 3, 4]))
      .add(doubles([1.2, 0.3, -0.8, 1.9, -1.1, 0.6, 2.3, -0.4, 0.7, -1.7, 0.1, 1.5], [1, 3, 4]))
      .sin();
  const places = (list: readonly number[], columns: number, rows: number): Tensor =>
    Tensor.from(Int32Array.from(list), { shape: [1, 3, columns] }).expand([rows, 3, columns]);
  /** Sums all but the first axis, with weights that tell places apart. */
  const total = (y: Tensor): Tensor => {
    const flat = y.reshape([y.sizes[0], y.size / y.sizes[0]]);
    return flat.mul(Tensor.arange(flat.sizes[1]).cast("float64").add(0.5).sin()).sum(1);
  };
  const functions: Record<string, (x: Tensor) => Tensor> = {
    reshape: (x) => x.reshape([x.sizes[0], 2, 6]).square(),
    expand: (x) => x.unsqueeze(2).expand([x.sizes[0], 3, 2, 4]).square(),
    permute: (x) => x.permute([0, 2, 1]).exp(),
    pad: (x) =>
      x
        .exp()
        .pad([
          [0, 0],
          [1, 0],
          [0, 2],
        ])
        .square(),
    shrink: (x) =>
      x
        .exp()
        .shrink([undefined, [1, 3], [0, 2]])
        .square(),
    flip: (x) => x.flip([1, 2]).exp().mul(x),
    shear: (x) => x.unfold(2, 2, 1).prod(3),
    concat: (x) => x.cat(1, x.exp()).square(),
    gather: (x) =>
      x
        .exp()
        .gather(2, places([0, 2, 1, 1, -1, 0], 2, x.sizes[0]))
        .square(),
    scatter: (x) =>
      x
        .scatterAdd(
          2,
          places([0, 2, 1, 1, -1, 0], 2, x.sizes[0]),
          x.shrink([undefined, undefined, [0, 2]]).exp(),
        )
        .square(),
    cast: (x) => x.cast("float32").cast("float64").mul(0).add(x).exp(),
    contiguous: (x) => x.contiguous().exp(),
    "reduce by add": (x) => x.sum(2).square(),
    "reduce by max": (x) => x.amax(2).pow(3),
    "reduce by min": (x) => x.amin(1).pow(3),
    "reduce by mul": (x) => x.prod(2).square(),
    var: (x) => x.var(2),
    logsumexp: (x) => x.logsumexp(2),
    norm: (x) => x.norm(2, 2),
    cumsum: (x) => x.cumsum(2).square(),
    cumprod: (x) => x.cumprod(2),
    softmax: (x) => x.softmax(2),
    logSoftmax: (x) => x.logSoftmax(1).square(),
    softmin: (x) => x.softmin(2),
    glu: (x) => x.glu(),
    matmul: (x) => x.matmul(x.permute([0, 2, 1]).exp()),
  };
  for (const [name, f] of Object.entries(functions))
    it(name, () => check((t) => total(f(moved(t))), [0.31, -0.44, 0.83]));
});
