// Normalisation, by statistics of a batch, of channels, of rows.

import type { DType } from "../../scalar/dtype.js";
import type { Tensor } from "../../tensor/tensor.js";
import type { Call, Operators, Result } from "../operator.js";
import { heldAs, elementType } from "../types.js";

/** A vector along an axis of a tensor. */
const along = (vector: Tensor, x: Tensor, axis: number): Tensor =>
  vector.reshape(x.shape.map((_, i) => (i === axis ? -1 : 1)));

/** The dtype in which statistics are taken. */
const stash = (call: Call): DType => heldAs(elementType(call.int("stash_type", 1)));

interface Moments {
  readonly mean: Tensor;
  /** The mean square of what is left. */
  readonly variance: Tensor;
}

function momentsOf(x: Tensor, axes: readonly number[]): Moments {
  const mean = x.mean([...axes], { keepdim: true });
  return {
    mean,
    variance: x
      .sub(mean)
      .square()
      .mean([...axes], { keepdim: true }),
  };
}

const normalised = (x: Tensor, { mean, variance }: Moments, eps: number): Tensor =>
  x.sub(mean).mul(variance.add(eps).rsqrt());

/**
 * By given statistics, or in training by the batch's own, which also move the running ones. Before version 7 training is the
 * default; before 14 it has five outputs.
 */
function batchNormalization(call: Call): Result[] {
  const [x, scale, bias, mean, variance] = call.tensors();
  const eps = call.float("epsilon", 1e-5);
  const training =
    call.version >= 14
      ? call.flag("training_mode")
      : call.version < 7 && !call.flag("is_test") && call.wants(1);
  // Before version 9 there could be statistics for each place.
  if (!training && mean.ndim > 1) return [normalised(x, { mean, variance }, eps).mul(scale).add(bias)];
  if (!training) return [x.batchNorm(mean, variance, { weight: scale, bias, eps }).cast(x.dtype)];
  const axes = x.shape.map((_, axis) => axis).filter((axis) => axis !== 1);
  const moments = momentsOf(x.cast(mean.dtype), axes);
  const [own, spread] = [moments.mean.ravel(), moments.variance.ravel()];
  const momentum = call.float("momentum", 0.9);
  const moved = (running: Tensor, now: Tensor): Tensor => running.mul(momentum).add(now.mul(1 - momentum));
  const y = x.batchNorm(own, spread, { weight: scale, bias, eps }).cast(x.dtype);
  return [y, moved(mean, own), moved(variance, spread), own, spread];
}

function instanceNormalization(call: Call): Tensor {
  const [x, scale, bias] = call.tensors();
  const axes = x.shape.map((_, axis) => axis).slice(2);
  const result = normalised(x, momentsOf(x, axes), call.float("epsilon", 1e-5));
  return result.mul(along(scale, x, 1)).add(along(bias, x, 1));
}

/** Groups of channels; before version 21 a scale and a bias for each group, then for each channel. */
function groupNormalization(call: Call): Tensor {
  const [x, scale, bias] = call.tensors();
  const groups = call.int("num_groups") ?? call.fail("it needs the attribute num_groups");
  const dtype = call.version >= 21 ? stash(call) : x.dtype;
  const size = x.sizeAt(1) / groups;
  const split = x.cast(dtype).unflatten(1, [groups, size]);
  const axes = split.shape.map((_, axis) => axis).slice(2);
  const result = normalised(split, momentsOf(split, axes), call.float("epsilon", 1e-5)).cast(x.dtype);
  if (call.version >= 21) {
    const whole = result.flatten(1, 2);
    return whole.mul(along(scale, x, 1)).add(along(bias, x, 1));
  }
  return result
    .mul(along(scale, split, 1))
    .add(along(bias, split, 1))
    .flatten(1, 2);
}

export interface RowsOptions {
  /** The first of the axes that are normalised; default the last. */
  readonly first?: number;
  readonly eps: number;
  /** In which statistics are taken. */
  readonly wide: DType;
}

const rowAxes = (x: Tensor, first = x.ndim - 1): number[] => x.shape.map((_, axis) => axis).slice(first);

/** Over the last axes; also the means, and what was multiplied by. */
export function layerNormalised(
  x: Tensor,
  scale: Tensor,
  bias: Tensor | undefined,
  { first, eps, wide }: RowsOptions,
): [y: Tensor, mean: Tensor, inverse: Tensor] {
  const rows = x.cast(wide);
  const { mean, variance } = momentsOf(rows, rowAxes(x, first));
  const inverse = variance.add(eps).rsqrt();
  const scaled = rows.sub(mean).mul(inverse).cast(x.dtype).mul(scale);
  return [bias === undefined ? scaled : scaled.add(bias), mean, inverse];
}

/** By the root of the mean square over the last axes, and what was multiplied by. */
export function rmsNormalised(
  x: Tensor,
  scale: Tensor,
  { first, eps, wide }: RowsOptions,
): [y: Tensor, inverse: Tensor] {
  const rows = x.cast(wide);
  const inverse = rows.square().mean(rowAxes(x, first), { keepdim: true }).add(eps).rsqrt();
  return [rows.mul(inverse).cast(x.dtype).mul(scale), inverse];
}

const rowsOptions = (call: Call): RowsOptions => ({
  first: call.axis(call.int("axis", -1), call.tensor(0).ndim),
  eps: call.float("epsilon", 1e-5),
  wide: stash(call),
});

/** Divided by the norm along an axis; where that is 0, so is the result. */
function lpNormalization(call: Call): Tensor {
  const x = call.tensor(0);
  const p = call.int("p", 2);
  if (p !== 1 && p !== 2) call.fail(`the norm must be 1 or 2, not ${p}`);
  const axis = call.axis(call.int("axis", -1), x.ndim);
  const size =
    p === 1 ? x.abs().sum(axis, { keepdim: true }) : x.square().sum(axis, { keepdim: true }).sqrt();
  const none = size.eq(0);
  return none.where(0, x.div(none.where(1, size)));
}

function meanVarianceNormalization(call: Call): Tensor {
  const x = call.tensor(0);
  const axes =
    call.ints("axes") ?? (call.version < 9 && call.flag("across_channels") ? [0, 1, 2, 3] : [0, 2, 3]);
  const { mean, variance } = momentsOf(x, axes);
  return x.sub(mean).div(variance.sqrt().add(1e-9));
}

/** Divided by a power of the sum of squares over neighbouring channels (Krizhevsky and others, 2012). */
function lrn(call: Call): Tensor {
  const x = call.tensor(0);
  const size = call.int("size") ?? call.fail("it needs the attribute size");
  const before = Math.floor((size - 1) / 2);
  const around = x.shape.map((_, axis): [number, number] =>
    axis === 1 ? [before, size - 1 - before] : [0, 0],
  );
  const squares = x.square().pad(around).unfold(1, size, 1).sum(-1);
  const scale = squares.mul(call.float("alpha", 1e-4) / size).add(call.float("bias", 1));
  return x.div(scale.pow(call.float("beta", 0.75)));
}

export const norms: Operators = {
  BatchNormalization: batchNormalization,
  InstanceNormalization: instanceNormalization,
  GroupNormalization: groupNormalization,
  LayerNormalization: (call) =>
    layerNormalised(call.tensor(0), call.tensor(1), call.optional(2), rowsOptions(call)),
  RMSNormalization: (call) => rmsNormalised(call.tensor(0), call.tensor(1), rowsOptions(call))[0],
  // As some exporters write it.
  SimplifiedLayerNormalization: (call) => rmsNormalised(call.tensor(0), call.tensor(1), rowsOptions(call)),
  LpNormalization: lpNormalization,
  MeanVarianceNormalization: meanVarianceNormalization,
  LRN: lrn,
};
