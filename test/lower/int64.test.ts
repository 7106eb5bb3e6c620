// 64-bit integers as pairs of words equal 64-bit integers, on random values and at the corners.

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { interpretKernel, interpretProgram } from "../../src/kernel/interpret.js";
import { parseKernel } from "../../src/kernel/parse.js";
import { verifyProgram } from "../../src/kernel/verify.js";
import { lowerKernel } from "../../src/lower/lower.js";
import { decodeElements } from "../../src/scalar/convert.js";
import type { DType } from "../../src/scalar/dtype.js";
import { LIMITED_TARGET } from "../devices/limited.js";

const SIZE = 64;
const CORNERS = [0n, 1n, 2n, 7n, 31n, 32n, 33n, 63n, 0xffffn, 0x10000n, 0xffffffffn, 1n << 32n, 1n << 62n];
const edges = CORNERS.flatMap((n) => [n, -n, n - 1n, -n - 1n]).concat(1n << 63n, (1n << 63n) - 1n);
const value = fc.oneof(
  fc.constantFrom(...edges),
  fc.bigInt({ min: -(1n << 63n), max: (1n << 63n) - 1n }),
  fc.bigInt({ min: -(1n << 33n), max: 1n << 33n }),
);
const list = fc.array(value, { minLength: SIZE, maxLength: SIZE });

/** What a kernel writes, and what it does when lowered for a machine without 64-bit integers. */
function run(text: string, inputs: readonly Uint8Array[], result: DType): void {
  const kernel = parseKernel(text);
  const program = lowerKernel(kernel, LIMITED_TARGET);
  verifyProgram(program);
  const buffers = [new Uint8Array(SIZE * 8), ...inputs];
  const again = buffers.map((bytes) => bytes.slice());
  interpretKernel(kernel, new Map(kernel.params.map((buffer, i) => [buffer, buffers[i]])));
  interpretProgram(program, new Map(program.params.map((buffer, i) => [buffer, again[i]])));
  expect(decodeElements(again[0], result)).toEqual(decodeElements(buffers[0], result));
}

const bytesOfList = (items: readonly bigint[]): Uint8Array =>
  new Uint8Array(BigUint64Array.from(items, (x) => BigInt.asUintN(64, x)).buffer);

for (const dtype of ["int64", "uint64"] as const) {
  describe(dtype, () => {
    const binary = ["add", "sub", "mul", "max", "min", "and", "or", "xor", "idiv", "mod", "shl", "shr"];
    for (const op of binary) {
      it(op, () => {
        const text = `kernel k(out: ${dtype}[64], a: ${dtype}[64], b: ${dtype}[64]) {
          for i in 64 { store out[i] = ${op}(a[i], b[i]) } }`;
        fc.assert(
          fc.property(list, list, (a, b) => run(text, [bytesOfList(a), bytesOfList(b)], dtype)),
          { numRuns: 15 },
        );
      });
    }
    for (const op of ["lt", "le", "eq", "ne"]) {
      it(op, () => {
        const text = `kernel k(out: bool[64], a: ${dtype}[64], b: ${dtype}[64]) {
          for i in 64 { store out[i] = ${op}(a[i], b[i]) } }`;
        fc.assert(
          fc.property(list, list, (a, b) =>
            run(text, [bytesOfList(a), bytesOfList([...b.slice(32), ...a.slice(32)])], "bool"),
          ),
          { numRuns: 15 },
        );
      });
    }
    for (const by of ["3", "10", "1000", "65535", "65536", "1000003", "6000000000"]) {
      it(`division by ${by}`, () => {
        const text = `kernel k(out: ${dtype}[64], a: ${dtype}[64]) {
          for i in 64 { store out[i] = xor(idiv(a[i], ${dtype}:${by}), mod(a[i], ${dtype}:${by})) } }`;
        fc.assert(
          fc.property(list, (a) => run(text, [bytesOfList(a)], dtype)),
          { numRuns: 10 },
        );
      });
    }
    for (const to of ["int32", "uint8", "float32", "float16", "bfloat16"] as const) {
      it(`to ${to}`, () => {
        const text = `kernel k(out: ${to}[64], a: ${dtype}[64]) { for i in 64 { store out[i] = cast.${to}(a[i]) } }`;
        fc.assert(
          fc.property(list, (a) => run(text, [bytesOfList(a)], to)),
          { numRuns: 15 },
        );
      });
    }
    it("from float32", () => {
      const text = `kernel k(out: ${dtype}[64], a: float32[64]) { for i in 64 { store out[i] = cast.${dtype}(a[i]) } }`;
      const floats = fc.array(
        fc.oneof(fc.float(), fc.float({ min: -1e10, max: 1e10, noNaN: true }).map(Math.fround)),
        {
          minLength: SIZE,
          maxLength: SIZE,
        },
      );
      fc.assert(
        fc.property(floats, (a) => run(text, [new Uint8Array(Float32Array.from(a).buffer)], dtype)),
        {
          numRuns: 30,
        },
      );
    });
    it("an element that is read and written keeps its words together", () => {
      const text = `kernel k(out: ${dtype}[64], a: ${dtype}[64]) {
        for i in 64 { store out[i] = ${dtype}:4294967295 }
        for j in 64 { accumulate add out[j] = a[j] } }`;
      fc.assert(
        fc.property(list, (a) => run(text, [bytesOfList(a)], dtype)),
        { numRuns: 10 },
      );
    });
  });
}

it("an index that needs more than 32 bits is refused", () => {
  const kernel = parseKernel(`kernel k(out: int64[4]) { for i in 4 { store out[i] = int64(i*1000000000) } }`);
  expect(() => lowerKernel(kernel, LIMITED_TARGET)).toThrow(/does not fit into the 32 bits/);
});
