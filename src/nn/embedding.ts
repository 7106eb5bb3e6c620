// Tables of vectors: rows looked up by integers, one by one or in bags.

import { isInteger } from "../scalar/dtype.js";
import { Tensor } from "../tensor/tensor.js";
import { checkSizes } from "./weights.js";

export interface EmbeddingOptions {
  /** The row for padding: it starts as zeros and gets no gradient. Negative ones count from the end. */
  readonly paddingIdx?: number;
  /** Rows that are looked up and whose norm is larger are scaled down to it, in the table itself. */
  readonly maxNorm?: number;
  /** The power of that norm; default 2. */
  readonly normType?: number;
}

abstract class Table {
  /** [rows, width] */
  weight: Tensor;
  protected readonly paddingIdx: number | undefined;
  private readonly maxNorm: number | undefined;
  private readonly normType: number;

  constructor(
    readonly rows: number,
    readonly width: number,
    { paddingIdx, maxNorm, normType = 2 }: EmbeddingOptions,
  ) {
    const name = this.constructor.name;
    checkSizes(name, { rows, width });
    if (
      paddingIdx !== undefined &&
      (!Number.isInteger(paddingIdx) || paddingIdx < -rows || paddingIdx >= rows)
    )
      throw new Error(`${name}: paddingIdx ${paddingIdx} is none of ${rows} rows`);
    this.paddingIdx = paddingIdx !== undefined && paddingIdx < 0 ? paddingIdx + rows : paddingIdx;
    this.maxNorm = maxNorm;
    this.normType = normType;
    const start = Tensor.randn([rows, width]);
    const kept = Tensor.arange(rows)
      .ne(this.paddingIdx ?? -1)
      .unsqueeze(1);
    this.weight = (this.paddingIdx === undefined ? start : kept.where(start, 0)).requiresGrad_();
  }

  /** Rows [.., width] for integers [..]; no gradient flows to the padding's. */
  protected lookUp(index: Tensor): Tensor {
    if (!isInteger(index.dtype)) throw new Error(`${this.constructor.name}: ${index} should be integers`);
    if (this.maxNorm !== undefined) this.limitRows(index, this.maxNorm);
    const found = index.embedding(this.weight);
    if (this.paddingIdx === undefined) return found;
    return index.eq(this.paddingIdx).unsqueeze(-1).where(found.detach(), found);
  }

  private limitRows(index: Tensor, maxNorm: number): void {
    const places = index.flatten();
    const used = Tensor.zeros([this.rows], { dtype: "int32" }).scatterAdd(
      0,
      places,
      Tensor.ones(places.shape, { dtype: "int32" }),
    );
    const weight = this.weight.detach();
    const size = weight.norm(this.normType, 1, { keepdim: true });
    const limited = size.gt(maxNorm).logicalAnd(used.gt(0).unsqueeze(1));
    this.weight.assign(limited.where(weight.mul(size.add(1e-7).reciprocal().mul(maxNorm)), weight));
  }
}

/**
 * Integers [..] to rows of a table, [.., width].
 *
 * @example
 * new nn.Embedding(100, 16, { paddingIdx: 0 }).forward(Tensor.arange(3)).shape; // => [3, 16]
 */
export class Embedding extends Table {
  constructor(rows: number, width: number, options: EmbeddingOptions = {}) {
    super(rows, width, options);
  }

  forward(index: Tensor): Tensor {
    return this.lookUp(index);
  }
}

export interface EmbeddingBagOptions extends EmbeddingOptions {
  /** What becomes of the rows of a bag; default "mean". */
  readonly mode?: "sum" | "mean" | "max";
  /** Whether the last offset is where the last bag ends, rather than where it starts. */
  readonly includeLastOffset?: boolean;
}

export interface BagInputs {
  /** Where each bag starts in a list of integers [n]: [bags], ascending from 0. */
  readonly offsets?: Tensor;
  /** A factor for each row, of the index's shape; for sums only. */
  readonly perSampleWeights?: Tensor;
}

/**
 * Sums, means or maxima of rows: of integers [bags, n] those of each row, of integers [n] those from each offset on. Rows
 * of the padding count for nothing; an empty bag gives zeros. Result [bags, width].
 *
 * @example
 * const bags = new nn.EmbeddingBag(100, 16);
 * bags.forward(Tensor.arange(6), { offsets: Tensor.arange(0, 4, 3) }).shape; // => [2, 16]
 */
export class EmbeddingBag extends Table {
  private readonly mode: "sum" | "mean" | "max";
  private readonly includeLastOffset: boolean;

  constructor(
    rows: number,
    width: number,
    { mode = "mean", includeLastOffset = false, ...options }: EmbeddingBagOptions = {},
  ) {
    super(rows, width, options);
    this.mode = mode;
    this.includeLastOffset = includeLastOffset;
  }

  forward(index: Tensor, { offsets, perSampleWeights }: BagInputs = {}): Tensor {
    const wanted = offsets === undefined ? 2 : 1;
    if (index.ndim !== wanted || (offsets !== undefined && offsets.ndim !== 1)) {
      throw new Error(
        `EmbeddingBag: needs integers [bags, n], or [n] and offsets [bags], got ${index}` +
          (offsets === undefined ? "" : ` and ${offsets}`),
      );
    }
    if (
      perSampleWeights !== undefined &&
      (this.mode !== "sum" || String(perSampleWeights.shape) !== String(index.shape))
    )
      throw new Error(
        `EmbeddingBag: perSampleWeights are for sums, and of the index's shape; got ${perSampleWeights}`,
      );
    const found = this.lookUp(index);
    const rows = perSampleWeights === undefined ? found : found.mul(perSampleWeights.unsqueeze(-1));
    const counted = this.paddingIdx === undefined ? index.eq(index) : index.ne(this.paddingIdx);
    return offsets === undefined ? this.join(rows, counted) : this.joinLists(rows, counted, offsets);
  }

  /** Rows [bags, n, width], of which some count. */
  private join(rows: Tensor, counted: Tensor): Tensor {
    const kept = counted.unsqueeze(-1);
    const count = counted.sum(1).unsqueeze(-1);
    if (this.mode === "max") {
      const largest = kept.where(rows, Number.NEGATIVE_INFINITY).max(1);
      return count.gt(0).where(largest, 0);
    }
    const total = kept.where(rows, 0).sum(1);
    return this.mode === "sum" ? total : total.div(count.clamp(1).cast(total.dtype));
  }

  /** Rows [n, width] whose bags start at the offsets. */
  private joinLists(rows: Tensor, counted: Tensor, offsets: Tensor): Tensor {
    const starts = this.includeLastOffset ? offsets.narrow(0, 0, offsets.sizeAt(0) - 1) : offsets;
    const [count, bags] = [rows.sizeAt(0), starts.sizeAt(0)];
    // The bag of a place is the number of bags that started up to it; what lies behind the last offset is in none.
    const marks = Tensor.zeros([count + 1], { dtype: "int32" }).scatterAdd(
      0,
      starts.cast("int32"),
      Tensor.ones([bags], { dtype: "int32" }),
    );
    const number = marks.narrow(0, 0, count).cumsum(0).sub(1);
    const inside = this.includeLastOffset
      ? counted.logicalAnd(Tensor.arange(count).lt(offsets.narrow(0, bags, 1).cast("int32")))
      : counted;
    const bag = inside.where(number, bags);
    const sizes = Tensor.zeros([bags + 1], { dtype: "int32" })
      .scatterAdd(0, bag, Tensor.ones([count], { dtype: "int32" }))
      .narrow(0, 0, bags)
      .unsqueeze(1);
    const places = bag.unsqueeze(1).expand(rows.shape);
    const join = (start: Tensor): Tensor => {
      const all =
        this.mode === "max"
          ? start.scatterReduce(0, places, rows, "amax")
          : start.scatterAdd(0, places, rows);
      return all.narrow(0, 0, bags);
    };
    if (this.mode === "max") {
      const lowest = Tensor.full([bags + 1, this.width], Number.NEGATIVE_INFINITY, { dtype: rows.dtype });
      return sizes.gt(0).where(join(lowest), 0);
    }
    const total = join(Tensor.zeros([bags + 1, this.width], { dtype: rows.dtype }));
    return this.mode === "sum" ? total : total.div(sizes.clamp(1).cast(total.dtype));
  }
}
