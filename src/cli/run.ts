// `brisc run MODEL`: runs an ONNX model once, with inputs from files or at random, and prints or saves what it gives.

import { join } from "node:path";
import { loadNpy, manualSeed, saveNpy, Tensor } from "../index.js";
import { load, type ModelInput, type ModelOutput, type ValueInfo } from "../onnx/index.js";
import { loadPicture } from "./png.js";
import { type Command, integerOption, pairOptions, textOption, UsageError } from "./options.js";

/** Sizes by name, as --size gives them. */
export function sizesOf(pairs: ReadonlyMap<string, string>): Record<string, number> {
  return Object.fromEntries(
    [...pairs].map(([name, text]) => {
      const size = Number(text);
      if (!Number.isSafeInteger(size) || size < 0)
        throw new UsageError(`--size ${name} must be a whole number, not "${text}".`);
      return [name, size];
    }),
  );
}

/** Uniform numbers, small integers, or truth values, of the declared shape. */
function randomInput(
  { name, kind, dtype, shape }: ValueInfo,
  sizes: Readonly<Record<string, number>>,
): Tensor {
  if (kind !== "tensor" || dtype === undefined || shape === undefined)
    throw new UsageError(`Input ${name} has no declared type and shape, so that it cannot be random.`);
  const full = shape.map((size) => (typeof size === "number" ? size : (sizes[size ?? ""] ?? 1)));
  const uniform = Tensor.rand(full);
  if (dtype === "bool") return uniform.lt(0.5);
  return dtype.includes("int") ? uniform.mul(8).cast(dtype) : uniform.cast(dtype);
}

async function inputFrom(
  text: string,
  info: ValueInfo,
  sizes: Readonly<Record<string, number>>,
): Promise<ModelInput> {
  if (text === "random") return randomInput(info, sizes);
  if (/\.npy$/i.test(text)) return loadNpy(text);
  if (/\.png$/i.test(text)) return loadPicture(text, info);
  throw new UsageError(`--input ${info.name} must be a .npy or .png file or "random", not "${text}".`);
}

/** What JSON can hold: integers beyond its numbers as text. */
const plain = (x: unknown): unknown =>
  typeof x === "bigint"
    ? Number.isSafeInteger(Number(x))
      ? Number(x)
      : String(x)
    : Array.isArray(x)
      ? x.map(plain)
      : x;

async function jsonOf(output: ModelOutput): Promise<unknown> {
  if (output instanceof Tensor)
    return { type: output.dtype, shape: output.shape, data: plain(await output.tolist()) };
  if (output !== null && "data" in output) return { type: "string", shape: output.shape, data: output.data };
  return output === null ? null : Promise.all((output as readonly ModelOutput[]).map(jsonOf));
}

/** The first elements, and of vectors and batches of one the largest with their places. */
async function lineOf(name: string, output: ModelOutput): Promise<string> {
  if (!(output instanceof Tensor)) return `${name}: ${JSON.stringify(await jsonOf(output))}`;
  const data = Array.from((await output.data()) as ArrayLike<number | bigint>);
  const shown = data.slice(0, 8).map((x) => (typeof x === "bigint" ? x : Number(x.toPrecision(6))));
  return `${name}: ${output.dtype}[${output.shape}] ${shown.join(" ")}${data.length > shown.length ? " ..." : ""}`;
}

export const runCommand: Command = {
  name: "run",
  summary: "run an ONNX model once",
  argument: { value: "MODEL", help: "a path or URL of an .onnx file" },
  options: {
    input: {
      type: "string",
      many: true,
      value: "NAME=FILE",
      help: "a .npy file, a .png image, or the word random; inputs not named are random",
    },
    size: {
      type: "string",
      many: true,
      value: "NAME=N",
      help: "a size that random inputs leave open; 1 if not given",
    },
    seed: { type: "string", value: "N", help: "of random inputs (default 0)" },
    output: {
      type: "string",
      value: "FORM",
      help: "json prints all elements, npy saves a file for each output",
    },
    folder: { type: "string", value: "DIR", help: "where npy files go (default here)" },
    device: { type: "string", value: "D", help: "the device" },
  },
  async run(values, signal) {
    const form = textOption(values, "output");
    if (form !== undefined && form !== "json" && form !== "npy")
      throw new UsageError(`--output must be json or npy, not "${form}".`);
    manualSeed(integerOption(values, "seed", 0, 0));
    const model = await load(textOption(values, "argument")!, { device: textOption(values, "device") });
    const given = pairOptions(values, "input");
    const sizes = sizesOf(pairOptions(values, "size"));
    const unknown = [...given.keys()].find((name) => !model.inputs.some((input) => input.name === name));
    if (unknown !== undefined) {
      const names = model.inputs.map(({ name }) => name).join(", ");
      throw new UsageError(`The model has no input ${unknown}; its inputs are ${names || "none"}.`);
    }
    const inputs: Record<string, ModelInput> = {};
    for (const info of model.inputs) {
      if (info.kind === "optional" && !given.has(info.name)) continue;
      inputs[info.name] = await inputFrom(given.get(info.name) ?? "random", info, sizes);
    }
    const outputs = await model.run(inputs, { signal });
    if (form === "json") {
      const entries = Object.entries(outputs).map(
        async ([name, output]) => [name, await jsonOf(output)] as const,
      );
      console.log(JSON.stringify(Object.fromEntries(await Promise.all(entries))));
      return 0;
    }
    for (const [name, output] of Object.entries(outputs)) {
      if (form === undefined) console.log(await lineOf(name, output));
      else if (output instanceof Tensor) {
        // Names of outputs may be paths of the program that wrote them.
        const file = join(textOption(values, "folder") ?? ".", `${name.replace(/[^\w.-]+/g, "_")}.npy`);
        await saveNpy(file, output);
        console.log(`${file}: ${output.dtype}[${output.shape}]`);
      } else throw new Error(`output ${name} is no tensor, and cannot be saved as npy; use --output json`);
    }
    return 0;
  },
};
