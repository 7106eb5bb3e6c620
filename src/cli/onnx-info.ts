// `brisc onnx info MODEL`: what goes into an ONNX model and comes out, what it is made of, what a run costs.

import { load, type ValueInfo } from "../onnx/index.js";
import { type Command, pairOptions, textOption } from "./options.js";
import { sizesOf } from "./run.js";

const shapeText = ({ kind, type, shape }: ValueInfo): string =>
  `${kind === "tensor" ? "" : `${kind} of `}${type ?? "?"}[${shape?.map((size) => size ?? "?").join(", ") ?? "..."}]`;

/** A count with a prefix: 1234567 is 1.23 M. */
function short(count: number): string {
  const [factor, prefix] = (
    [
      [1e12, " T"],
      [1e9, " G"],
      [1e6, " M"],
      [1e3, " k"],
    ] as const
  ).find(([factor]) => count >= factor) ?? [1, ""];
  return factor === 1 ? String(count) : `${(count / factor).toPrecision(3)}${prefix}`;
}

export const onnxInfoCommand: Command = {
  name: "onnx info",
  summary: "say what an ONNX model takes, gives, holds and costs",
  argument: { value: "MODEL", help: "a path or URL of an .onnx file" },
  options: {
    size: {
      type: "string",
      many: true,
      value: "NAME=N",
      help: "a size that the inputs leave open; 1 if not given",
    },
    device: { type: "string", value: "D", help: "the device whose kernels are counted" },
  },
  async run(values) {
    const device = textOption(values, "device");
    const model = await load(textOption(values, "argument")!, { device });
    for (const [title, infos] of [
      ["inputs", model.inputs],
      ["outputs", model.outputs],
    ] as const) {
      console.log(`${title}:`);
      for (const info of infos) console.log(`  ${info.name}: ${shapeText(info)}`);
    }
    const sizes = sizesOf(pairOptions(values, "size"));
    const { operators, parameters, parameterBytes, ...work } = await model.summary(sizes, device);
    const total = [...operators.values()].reduce((a, b) => a + b, 0);
    console.log(`operators: ${total}`);
    for (const [name, count] of [...operators].sort(([a, n], [b, m]) => m - n || (a < b ? -1 : 1)))
      console.log(`  ${String(count).padStart(5)}  ${name}`);
    console.log(`parameters: ${short(parameters)} (${short(parameterBytes)}B)`);
    const until = work.cut === undefined ? "" : `, up to node ${work.cut}, which needs to know elements`;
    console.log(
      `a run: ${short(work.operations)}FLOP, ${short(work.bytes)}B moved, ${work.kernels} kernels after fusion${until}`,
    );
    return 0;
  },
};
