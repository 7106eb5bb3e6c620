// Programs written by hand, as lowering would make them, and what runs them on a device or the interpreter.

import type { Device, DeviceBuffer } from "../../src/device/device.js";
import { type IndexLike, loopAtom, toIndex } from "../../src/kernel/index.js";
import { interpretProgram } from "../../src/kernel/interpret.js";
import { type Buffer, makeBuffer, type Stmt } from "../../src/kernel/ir.js";
import type { Program } from "../../src/lower/program.js";
import { decodeElements, encodeElements } from "../../src/scalar/convert.js";
import { bytesOf, type DType, type Scalar } from "../../src/scalar/dtype.js";

export const param = (name: string, dtype: DType, size: IndexLike): Buffer =>
  makeBuffer(name, dtype, size, "global");

/** A program of one phase of one iteration, unless told more. */
export const program = (
  params: readonly Buffer[],
  body: readonly Stmt[],
  more: Partial<Program> = {},
): Program => ({
  name: "test",
  params,
  scratch: [],
  symbols: [],
  phases: [{ atom: loopAtom("phase", 1), grain: 1, body }],
  localBytes: 0,
  flops: toIndex(0),
  bytes: toIndex(0),
  ...more,
});

const sizeOf = (buffer: Buffer): number => buffer.size.value ?? buffer.size.max;

/** Contents of each parameter before the run: the inputs' by name, zeros elsewhere. */
type Inputs = Readonly<Record<string, readonly Scalar[]>>;
type Symbols = Readonly<Record<string, number>>;

const bytesBefore = (buffer: Buffer, inputs: Inputs): Uint8Array =>
  inputs[buffer.name] === undefined
    ? new Uint8Array(sizeOf(buffer) * bytesOf(buffer.dtype))
    : encodeElements(inputs[buffer.name], buffer.dtype);

/** The first parameter's values after a run on the interpreter. */
export function interpreted(p: Program, inputs: Inputs, symbols: Symbols = {}): Scalar[] {
  const memory = new Map(p.params.map((buffer) => [buffer, bytesBefore(buffer, inputs)]));
  interpretProgram(p, memory, symbols);
  return decodeElements(memory.get(p.params[0])!, p.params[0].dtype);
}

/** The first parameter's values after a run on a device. */
export async function executed(
  device: Device,
  p: Program,
  inputs: Inputs,
  symbols: Symbols = {},
): Promise<Scalar[]> {
  const all = [...p.params, ...p.scratch];
  const buffers: DeviceBuffer[] = all.map((buffer) => {
    const memory = device.allocate(sizeOf(buffer) * bytesOf(buffer.dtype));
    if (p.params.includes(buffer)) device.write(memory, bytesBefore(buffer, inputs));
    return memory;
  });
  const [executable] = await device.compile([p]);
  const slots = all.map((_, i) => i);
  const list = device.prepare([{ kind: "launch", executable, slots, symbols: p.symbols.map((_, i) => i) }]);
  device.submit(
    list,
    buffers,
    p.symbols.map((s) => symbols[s.name]),
  );
  await device.idle();
  const result = await device.read(buffers[0], 0, buffers[0].bytes);
  for (const buffer of buffers) device.release(buffer);
  return decodeElements(result, p.params[0].dtype);
}
