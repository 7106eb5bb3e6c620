// Images with labels, as bytes: what the image datasets give, and DataLoaders take.

import { adoptArray, takeRows } from "../data/collate.js";
import type { BatchDataset, MapDataset } from "../data/dataset.js";
import type { Tensor } from "../tensor/tensor.js";

/** One image; `image` is a view of the dataset's bytes. */
export interface ImageSample {
  readonly image: Uint8Array;
  readonly label: number;
}

/** images: [batch, ...shape] uint8. labels: [batch] uint8. */
export interface ImageBatch {
  readonly images: Tensor;
  readonly labels: Tensor;
}

export class LabelledImages implements MapDataset<ImageSample>, BatchDataset<ImageBatch> {
  /** How many images there are. */
  readonly length: number;
  private readonly width: number;

  constructor(
    /** The images' bytes, one after the other. */
    readonly images: Uint8Array,
    /** A byte for each image. */
    readonly labels: Uint8Array,
    /** An image's shape. */
    readonly shape: readonly number[],
    /** What the labels mean, in their order. */
    readonly classes: readonly string[],
  ) {
    this.length = labels.length;
    this.width = shape.reduce((product, size) => product * size, 1);
  }

  get(index: number): ImageSample {
    if (!Number.isInteger(index) || index < 0 || index >= this.length)
      throw new RangeError(`${index} is none of ${this.length} images`);
    const start = index * this.width;
    return { image: this.images.subarray(start, start + this.width), label: this.labels[index] };
  }

  batch(indices: ArrayLike<number>): ImageBatch {
    const images = takeRows(this.images, this.width, indices);
    return {
      images: adoptArray(images, [indices.length, ...this.shape]),
      labels: adoptArray(takeRows(this.labels, 1, indices), [indices.length]),
    };
  }
}
