// How the weights of layers start, as PyTorch's do.

import { Tensor } from "../tensor/tensor.js";

export interface LayerOptions {
  /** Whether there is a bias; default true. */
  readonly bias?: boolean;
}

/** Uniform in +-bound. */
export const uniform = (shape: readonly number[], bound: number): Tensor =>
  Tensor.uniform(shape, -bound, bound).requiresGrad_();

export const ones = (shape: readonly number[]): Tensor => Tensor.ones(shape).requiresGrad_();
export const zeros = (shape: readonly number[]): Tensor => Tensor.zeros(shape).requiresGrad_();

/** A weight [outputs, inputs, window..] and a bias [outputs], uniform in +-1 / sqrt(inputs of an output). */
export function startWeights(shape: readonly number[], bias: boolean): [Tensor, Tensor | undefined] {
  const bound = 1 / Math.sqrt(shape.slice(1).reduce((n, d) => n * d, 1));
  return [uniform(shape, bound), bias ? uniform([shape[0]], bound) : undefined];
}

/** Throws unless all are positive integers. */
export function checkSizes(layer: string, sizes: Readonly<Record<string, number>>): void {
  for (const [name, size] of Object.entries(sizes)) {
    if (!Number.isInteger(size) || size < 1)
      throw new Error(`${layer}: ${name} must be a positive integer, got ${size}`);
  }
}

/** Throws unless a tensor's axis has the size that the layer was made for. */
export function checkAxisSize(layer: string, x: Tensor, axis: number, size: number, what: string): void {
  const found = x.ndim >= Math.abs(axis) && (axis < 0 || x.ndim > axis) ? x.shape.at(axis) : undefined;
  if (found !== size) throw new Error(`${layer}: ${x} should have ${size} ${what} (axis ${axis})`);
}
