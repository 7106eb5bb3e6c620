// Activation functions.

import { isFloat } from "../../scalar/dtype.js";
import { axisOf } from "../../tensor/core.js";
import { Tensor } from "../../tensor/tensor.js";
import type { Call, Operator, Operators, Result } from "../operator.js";
import { binary } from "./arithmetic.js";
import { unary } from "./functions.js";

/** x * sigmoid(alpha * x) */
const swish = (x: Tensor, alpha: number): Tensor => (alpha === 1 ? x.silu() : x.mul(x.mul(alpha).sigmoid()));

const hardSigmoid = (x: Tensor, alpha: number, beta: number): Tensor => x.mul(alpha).add(beta).clamp(0, 1);

/** Before version 7 a list of slopes had one for each channel, and was not broadcast from the last axis. */
function prelu(call: Call): Result {
  const [x, slope] = [call.tensor(0), call.tensor(1)];
  const perChannel = call.version < 7 && slope.ndim === 1 && slope.size > 1;
  const slopes = perChannel
    ? slope.reshape([slope.size, ...Array<number>(Math.max(0, x.ndim - 2)).fill(1)])
    : slope;
  return x.lt(0).where(x.mul(slopes), x);
}

/** Times a number, plus one for each channel. */
function imageScaler(x: Tensor, call: Call): Tensor {
  const bias = Float32Array.from(call.floats("bias") ?? [0]);
  return x.mul(call.float("scale", 1)).add(Tensor.from(bias, { shape: [bias.length, 1, 1] }));
}

/** Nearer to 0 by `bias` outside of [-lambd, lambd], 0 inside. Integers are shrunk as floats. */
function shrink(given: Tensor, call: Call): Tensor {
  const [lambda, bias] = [call.float("lambd", 0.5), call.float("bias", 0)];
  const x = isFloat(given.dtype) ? given : given.cast("float64");
  const positive = x.gt(lambda).where(x.sub(bias), 0);
  return x.lt(-lambda).where(x.add(bias), positive).cast(given.dtype);
}

function gelu(x: Tensor, call: Call): Tensor {
  const approximate = call.text("approximate", "none");
  if (approximate !== "none" && approximate !== "tanh")
    return call.fail(`its attribute approximate must be none or tanh, not ${approximate}`);
  return x.gelu({ approximate });
}

type AlongAxis = (x: Tensor, axis: number) => Tensor;

/** A function along one axis; before version 13 all axes from the given one on were one. */
export function alongAxis(x: Tensor, axis: number, version: number, compute: AlongAxis): Tensor {
  if (x.ndim === 0) return compute(x.reshape([1]), 0).reshape([]);
  if (version >= 13) return compute(x, axisOf(axis, x.ndim, "softmax"));
  const rows = x.sizes.slice(0, axis < 0 ? axis + x.ndim : axis).reduce((n, d) => n * d, 1);
  return compute(x.reshape([rows, rows === 0 ? 0 : x.size / rows]), 1).reshape(x.sizes);
}

const normalised =
  (compute: AlongAxis): Operator =>
  (call) =>
    alongAxis(call.tensor(0), call.int("axis", call.version >= 13 ? -1 : 1), call.version, compute);

/** 1 at the first of the largest along an axis, 0 elsewhere. */
function hardmax(x: Tensor, axis: number): Tensor {
  if (x.size === 0) return x;
  const places = Tensor.arange(x.sizeAt(axis)).reshape(x.shape.map((_, i) => (i === axis ? -1 : 1)));
  return x.argmax(axis, { keepdim: true }).eq(places).cast(x.dtype);
}

export const activations: Operators = {
  Relu: unary((x) => x.relu()),
  LeakyRelu: unary((x, call) => x.leakyRelu(call.float("alpha", 0.01))),
  PRelu: prelu,
  ThresholdedRelu: unary((x, call) => x.gt(call.float("alpha", 1)).where(x, 0)),
  Shrink: unary(shrink),

  Elu: unary((x, call) => x.elu(call.float("alpha", 1))),
  Celu: unary((x, call) => x.celu(call.float("alpha", 1))),
  Selu: unary((x, call) => {
    const [alpha, gamma] = call.version >= 6 ? [1.6732632423543772, 1.0507009873554805] : [1.6732, 1.0507];
    return x.elu(call.float("alpha", alpha)).mul(call.float("gamma", gamma));
  }),

  Sigmoid: unary((x) => x.sigmoid()),
  HardSigmoid: unary((x, call) => hardSigmoid(x, call.float("alpha", 0.2), call.float("beta", 0.5))),
  Swish: unary((x, call) => swish(x, call.float("alpha", 1))),
  SwiGLU: binary((gate, x, call) => swish(gate, call.float("alpha", 1)).mul(x)),
  HardSwish: unary((x) => x.mul(hardSigmoid(x, 1 / 6, 0.5))),
  Gelu: unary(gelu),
  Mish: unary((x) => x.mish()),
  Softplus: unary((x) => x.softplus()),
  Softsign: unary((x) => x.softsign()),

  // Of the first versions of the standard, and in models of their time.
  Affine: unary((x, call) => x.mul(call.float("alpha", 1)).add(call.float("beta", 0))),
  ScaledTanh: unary((x, call) => x.mul(call.float("beta", 1)).tanh().mul(call.float("alpha", 1))),
  ParametricSoftplus: unary((x, call) => x.mul(call.float("beta", 1)).softplus().mul(call.float("alpha", 1))),
  Scale: unary((x, call) => x.mul(call.float("scale", 1))),
  ImageScaler: unary(imageScaler),

  Softmax: normalised((x, axis) => x.softmax(axis)),
  LogSoftmax: normalised((x, axis) => x.logSoftmax(axis)),
  Hardmax: normalised(hardmax),
};

/** The first half along the last axis times gelu of the second. */
function splitGelu(x: Tensor): Tensor {
  const [value, gate] = x.chunk(2, -1);
  return value.mul(gate.gelu());
}

const fastGelu = (call: Call): Result => {
  const [x, bias] = [call.tensor(0), call.optional(1)];
  return (bias === undefined ? x : x.add(bias)).gelu({ approximate: "tanh" });
};

export const microsoftActivations: Operators = {
  Gelu: unary((x) => x.gelu()),
  FastGelu: fastGelu,
  QuickGelu: unary((x, call) => swish(x, call.float("alpha", 1.702))),
  BiasGelu: binary((x, bias) => x.add(bias).gelu()),
  BiasSplitGelu: binary((x, bias) => splitGelu(x.add(bias))),
};
