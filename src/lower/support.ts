// Refuses what a target can neither compute nor emulate, before any lowering: the error says which operation wants it.
// Narrow integers and floats are held in wider registers, 64-bit integers in pairs of words; float64 has no stand-in.

import type { Target } from "../device/target.js";
import { exprsOf, type Kernel, topologicalOrder, visitStatements } from "../kernel/ir.js";
import type { DType } from "../scalar/dtype.js";

export class UnsupportedError extends Error {
  override name = "UnsupportedError";
}

/** Throws an UnsupportedError if a kernel needs a dtype that the target lacks and lowering does not emulate. */
export function requireDTypes(kernel: Kernel, target: Target): void {
  if (target.dtypes.has("float64")) return;
  const refuse = (dtype: DType, where: string): void => {
    if (dtype !== "float64") return;
    throw new UnsupportedError(
      `float64 is not supported by device ${target.fingerprint}: kernel ${kernel.name} needs it for ${where}; ` +
        "cast to float32, or choose another device",
    );
  };
  visitStatements(kernel.body, (s) => {
    for (const x of topologicalOrder(exprsOf(s))) refuse(x.dtype, x.op);
  });
  for (const { name, dtype } of kernel.params) refuse(dtype, `the tensor ${name}`);
}
