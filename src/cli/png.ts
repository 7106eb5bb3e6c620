// PNG images as inputs of models: decoded by fast-png, laid out as the input is declared, scaled to its size.

import { readFile } from "node:fs/promises";
import { Tensor } from "../index.js";
import type { ValueInfo } from "../onnx/index.js";

async function decoder(): Promise<typeof import("fast-png")> {
  try {
    return await import("fast-png");
  } catch (cause) {
    throw new Error("PNG images need the package fast-png: `npm install fast-png` brings it", { cause });
  }
}

/** A size of an input, if it is a number. */
const fixed = (size: number | string | null | undefined): number | undefined =>
  typeof size === "number" ? size : undefined;

/**
 * An image as the input declares it: [1, C, H, W] where its second axis is 1 or 3, else [1, H, W, C]; without the batch if it
 * has three axes. Values are 0 to 1 for floats, else 0 to 255. Grey is repeated or averaged to the channels wanted.
 */
export async function loadPicture(
  file: string,
  { name, dtype = "float32", shape }: ValueInfo,
): Promise<Tensor> {
  const { decode, convertIndexedToRgb } = await decoder();
  const png = decode(await readFile(file));
  const data = png.palette ? convertIndexedToRgb(png) : png.data;
  const { width, height } = png;
  const channels = data.length / (width * height);
  if (shape === undefined || (shape.length !== 4 && shape.length !== 3))
    throw new Error(`input ${name} has ${shape?.length ?? "unknown"} axes, where an image takes 3 or 4`);
  const inner = shape.slice(-3);
  const planes = inner[0] === 1 || inner[0] === 3;
  const wanted = fixed(planes ? inner[0] : inner[2]) ?? (channels < 3 ? 1 : 3);
  const [rows, columns] = planes ? inner.slice(1) : inner;

  if (png.depth < 8 && !png.palette)
    throw new Error(`${file}: grey images of ${png.depth} bits are not read`);
  const largest = data instanceof Uint16Array ? 65535 : 255;
  const all = Tensor.from(Float32Array.from(data), { shape: [height, width, channels] })
    .div(largest)
    .permute([2, 0, 1]);
  // What is transparent is shown as it lies in the file.
  const colours = all.shrink([[0, channels < 3 ? 1 : 3], undefined, undefined]);
  const image = wanted === 1 ? colours.mean(0, { keepdim: true }) : colours.expand([wanted, height, width]);
  const size = [fixed(rows) ?? height, fixed(columns) ?? width] as const;
  const fitted =
    size[0] === height && size[1] === width
      ? image.unsqueeze(0)
      : image.unsqueeze(0).interpolate({ size, mode: "bilinear", antialias: true });
  const arranged = planes ? fitted : fitted.permute([0, 2, 3, 1]);
  const batched = shape.length === 4 ? arranged : arranged.squeeze(0);
  return dtype.includes("int") ? batched.mul(255).round().cast(dtype) : batched.cast(dtype);
}
