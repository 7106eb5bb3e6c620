// Statistics: reductions that skip NaN, counts, moments.

import { constNode, iota, scatterAdd } from "../graph/node.js";
import { isFloat, isInteger } from "../scalar/dtype.js";
import { TensorError } from "./core.js";
import type { Axes, ReduceOptions, SumOptions } from "./reduction.js";
import { Sorting } from "./sorting.js";
import type { Tensor } from "./tensor.js";

export type Correction = ReduceOptions & { readonly correction?: number };

export interface HistogramOptions {
  /** From where to where, if the bins are a number; default: all elements. */
  readonly range?: readonly [number, number];
  /** How much each element counts. */
  readonly weight?: Tensor;
  /** Whether the area is 1. */
  readonly density?: boolean;
}

export interface CountOptions {
  /** At least so many bins. */
  readonly minlength?: number;
  /** Just so many bins; larger values are left out. */
  readonly length?: number;
  /** How much each element counts. */
  readonly weights?: Tensor;
}

export abstract class Statistics extends Sorting {
  // --- without NaN -------------------------------------------------------------------------------------------------

  /** sum of what is not NaN. */
  nansum(axes?: Axes, options?: SumOptions): Tensor {
    return this.nanFilled(0).sum(axes, options);
  }
  /** prod of what is not NaN. */
  nanprod(axes?: Axes, options?: SumOptions): Tensor {
    return this.nanFilled(1).prod(axes, options);
  }
  /** max of what is not NaN; NaN where there is nothing else. */
  nanmax(axes?: Axes, options?: ReduceOptions): Tensor {
    return this.nanExtreme("max", axes, options);
  }
  /** min of what is not NaN; NaN where there is nothing else. */
  nanmin(axes?: Axes, options?: ReduceOptions): Tensor {
    return this.nanExtreme("min", axes, options);
  }
  private nanExtreme(op: "max" | "min", axes: Axes, options?: ReduceOptions): Tensor {
    if (!isFloat(this.dtype)) return this[op](axes, options);
    const worst = op === "max" ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
    return this.isnan().all(axes, options).where(Number.NaN, this.nanFilled(worst)[op](axes, options));
  }
  /**
   * mean of what is not NaN; NaN where there is nothing else.
   *
   * @example Tensor.from([1, Number.NaN, 3]).nanmean(); // => 2
   */
  nanmean(axes?: Axes, options: SumOptions = {}): Tensor {
    if (options.dtype !== undefined)
      return this.cast(options.dtype).nanmean(axes, { keepdim: options.keepdim });
    const x = this.toFloats();
    const wide = x.wideFloats().nansum(axes, options);
    return wide.div(this.counted(axes, options).cast(wide.dtype)).cast(x.dtype);
  }
  /** var of what is not NaN. */
  nanvar(axes?: Axes, options: Correction = {}): Tensor {
    return this.nanVariance(axes, options).cast(this.toFloats().dtype);
  }
  /** std of what is not NaN. */
  nanstd(axes?: Axes, options: Correction = {}): Tensor {
    return this.nanVariance(axes, options).sqrt().cast(this.toFloats().dtype);
  }
  private nanVariance(axes: Axes, { keepdim, correction = 1 }: Correction): Tensor {
    const x = this.wideFloats();
    const centred = x.isnan().where(0, x.sub(x.nanmean(axes, { keepdim: true })));
    const count = this.counted(axes, { keepdim }).cast(x.dtype).sub(correction);
    return centred.square().sum(axes, { keepdim }).div(count.maximum(0));
  }
  private nanFilled(value: number): Tensor {
    return isFloat(this.dtype) ? this.isnan().where(value, this.self) : this.self;
  }
  /** How many are not NaN. */
  private counted(axes: Axes, { keepdim }: ReduceOptions): Tensor {
    return this.isnan().logicalNot().sum(axes, { keepdim });
  }
  /** In floats of at least 32 bits. */
  private wideFloats(): Tensor {
    return this.cast(this.dtype === "float64" ? "float64" : "float32");
  }

  // --- counts ------------------------------------------------------------------------------------------------------

  /**
   * How many elements lie in each of `bins` bins of equal width from min to max, both included; without these, from the
   * smallest to the largest element. In the dtype of the elements.
   *
   * @example
   * Tensor.from([1, 2, 2, 4]).histc(3); // => [1, 2, 1]
   */
  histc(bins = 100, min = 0, max = 0): Tensor {
    if (!Number.isInteger(bins) || bins < 1 || min > max)
      throw new TensorError(`histc: needs at least 1 bin and min <= max, got ${bins} from ${min} to ${max}`);
    const x = this.flatten().detach();
    const wide = x.wideFloats();
    const number = (value: number): Tensor => this.wrap(constNode(value, wide.dtype, []));
    const given = min !== max;
    const [low, high] = given
      ? [number(min), number(max)]
      : min !== 0 || x.size === 0
        ? [number(min), number(max)]
        : [wide.min(), wide.max()];
    // A range of no width grows by 1 to both sides.
    const none = low.eq(high);
    const [from, to] = [none.where(low.sub(1), low), none.where(high.add(1), high)];
    const inside = wide.ge(from).logicalAnd(wide.le(to));
    const bin = wide
      .sub(from)
      .mul(bins)
      .div(to.sub(from))
      .cast("int32")
      .minimum(bins - 1);
    return this.countedAt(inside.where(bin, bins), bins).cast(this.dtype);
  }
  /**
   * How much lies in each bin, and the edges of the bins: as many bins of equal width, or edges in order. The last bin
   * has both its edges.
   *
   * @example
   * const { histogram, edges } = Tensor.from([1, 2, 2, 4]).histogram(Tensor.from([0, 2, 4]));
   * histogram; // => [1, 3]
   */
  histogram(
    bins: number | Tensor,
    { range, weight, density = false }: HistogramOptions = {},
  ): { readonly histogram: Tensor; readonly edges: Tensor } {
    const x = this.flatten().toFloats().detach();
    const edges = typeof bins === "number" ? x.evenEdges(bins, range) : bins;
    const count = edges.sizeAt(0) - 1;
    const last = edges.narrow(0, count, 1);
    const bin = x.eq(last).where(count - 1, edges.searchsorted(x, { right: true }).sub(1));
    const place = bin.lt(0).where(count, bin);
    const total = this.countedAt(place, count, weight?.flatten().cast(x.dtype)).cast(x.dtype);
    if (!density) return { histogram: total, edges };
    return { histogram: total.div(total.sum()).div(edges.diff()), edges };
  }
  private evenEdges(bins: number, range: readonly [number, number] | undefined): Tensor {
    if (!Number.isInteger(bins) || bins < 1)
      throw new TensorError(`histogram: needs at least 1 bin, got ${bins}`);
    const ends = range?.map((end) => this.wrap(constNode(end, this.dtype, [])));
    const [low, high] = ends ?? [this.min(), this.max()];
    const none = low.eq(high);
    const [from, to] = [none.where(low.sub(0.5), low), none.where(high.add(0.5), high)];
    const places = this.wrap(iota([bins + 1], 0)).cast(this.dtype);
    // From both ends, so that both are exact.
    const step = to.sub(from).div(bins);
    return places.lt((bins + 1) / 2).where(places.mul(step).add(from), to.sub(places.rsub(bins).mul(step)));
  }
  /**
   * How often (int32), or with what weight, each number from 0 on occurs among these integers. With `length` at once,
   * else when the largest is known.
   *
   * @example Tensor.from([0, 2, 2], { dtype: "int32" }).bincount({ length: 4 }); // => [1, 0, 2, 0]
   */
  bincount(options: CountOptions & { readonly length: number }): Tensor;
  bincount(options?: CountOptions): Promise<Tensor>;
  bincount({ minlength = 0, length, weights }: CountOptions = {}): Tensor | Promise<Tensor> {
    if (!isInteger(this.dtype) && this.dtype !== "bool")
      throw new TensorError(`bincount: needs integers, got ${this}`);
    const x = this.flatten().detach();
    const count = (bins: number): Tensor => {
      const kept = isInteger(x.dtype) ? x.lt(0).where(bins, x.cast("int32")) : x.cast("int32");
      return this.countedAt(kept, bins, weights?.flatten());
    };
    if (length !== undefined) return count(length);
    const largest = x.size === 0 ? Promise.resolve(-1) : x.max().item();
    return largest.then((value) => count(Math.max(minlength, Number(value) + 1)));
  }
  /** What adds up at each place from 0 to `length`: ones (int32) or weights; places beyond are left out. */
  private countedAt(places: Tensor, length: number, weights?: Tensor): Tensor {
    const values = weights ?? this.wrap(constNode(1, "int32", places.shape));
    const base = this.wrap(constNode(0, "int32", [length])).cast(values.dtype);
    return this.wrap(scatterAdd(base.node, places.cast("int32").node, values.node, 0));
  }

  // --- moments -----------------------------------------------------------------------------------------------------

  /**
   * Covariances of variables (rows) over observations (columns). `fweights` says how often each observation occurs,
   * `aweights` how much it counts.
   *
   * @example
   * Tensor.from([[1, 2, 3], [3, 2, 1]]).cov(); // => [[1, -1], [-1, 1]]
   */
  cov({
    correction = 1,
    fweights,
    aweights,
  }: {
    correction?: number;
    fweights?: Tensor;
    aweights?: Tensor;
  } = {}): Tensor {
    if (this.ndim > 2)
      throw new TensorError(`cov: ${this} must have variables as rows, observations as columns`);
    const x = (this.ndim === 2 ? this.self : this.reshape([1, -1])).toFloats();
    const [frequent, important] = [fweights, aweights].map((w) => w?.cast(x.dtype));
    const weights =
      frequent !== undefined && important !== undefined ? frequent.mul(important) : (frequent ?? important);
    const total = weights === undefined ? undefined : weights.sum();
    const mean =
      weights === undefined || total === undefined
        ? x.mean(1, { keepdim: true })
        : x.mul(weights).sum(1, { keepdim: true }).div(total);
    const centred = x.sub(mean);
    const weighted = weights === undefined ? centred : centred.mul(weights);
    const product = weighted.matmul(centred.transpose());
    const shape = this.ndim === 2 ? product.shape : [];
    if (weights === undefined || total === undefined)
      return product.div(Math.max(0, x.sizeAt(1) - correction)).reshape(shape);
    const lost =
      important === undefined ? correction : weights.mul(important).sum().div(total).mul(correction);
    return product.div(total.sub(lost).maximum(0)).reshape(shape);
  }
  /**
   * Correlations of variables (rows) over observations (columns), from -1 to 1.
   *
   * @example Tensor.from([[1, 2, 3], [3, 2, 1]]).corrcoef(); // => [[1, -1], [-1, 1]]
   */
  corrcoef(): Tensor {
    const c = this.cov();
    if (this.ndim < 2) return c.div(c);
    const deviation = c.diagonal().sqrt();
    return c.div(deviation.unsqueeze(1)).div(deviation.unsqueeze(0)).clamp(-1, 1);
  }
}
