// WebAssembly generated from small programs: every module is valid, and the code is what one would write by hand.

import { describe, expect, test } from "vitest";
import { generateWasm, printWasm, type WasmOptions } from "../../src/codegen/wasm.js";
import { addIndex, loopAtom, mulIndex } from "../../src/kernel/index.js";
import {
  alloc,
  constant,
  type Expr,
  forLoop,
  load,
  makeBuffer,
  ref,
  scalar,
  splat,
} from "../../src/kernel/ir.js";
import { type Stmt, store } from "../../src/kernel/ir.js";
import { param, program } from "../device/wasm-programs.js";

const PLAIN: WasmOptions = { shared: false, relaxed: false };
const RELAXED: WasmOptions = { shared: true, relaxed: true };

const { validate } = (globalThis as unknown as { WebAssembly: { validate(bytes: Uint8Array): boolean } })
  .WebAssembly;

const addition = () => {
  const [out, a, b] = ["out", "a", "b"].map((name) => param(name, "float32", 64));
  const i = loopAtom("i", 16);
  const at = mulIndex(i, 4);
  const sum = scalar("add", load(a, at, [], { lanes: 4 }), load(b, at, [], { lanes: 4 }));
  return program([out, a, b], [], { phases: [{ atom: i, grain: 16, body: [store(out, at, sum)] }] });
};

/** Two rows by one vector of a matrix product. */
const tile = () => {
  const [c, a, b] = [param("c", "float32", 8), param("a", "float32", 64), param("b", "float32", 128)];
  const k = loopAtom("k", 32);
  const acc = makeBuffer("acc", "float32", 2, "register", 4);
  const row = (r: number): Expr => load(acc, r, [], { lanes: 4 });
  const step: Stmt[] = [{ kind: "let", name: "b", value: load(b, mulIndex(k, 4), [], { lanes: 4 }) }];
  for (const r of [0, 1]) {
    const product = scalar("mul", splat(load(a, addIndex(mulIndex(k, 2), r)), 4), ref("b", "float32", 4));
    step.push(store(acc, r, scalar("add", product, row(r))));
  }
  const zero = constant(0, "float32", 4);
  return program(
    [c, a, b],
    [
      alloc(acc),
      store(acc, 0, zero),
      store(acc, 1, zero),
      forLoop(k, step),
      store(c, 0, row(0)),
      store(c, 4, row(1)),
    ],
  );
};

describe("modules", () => {
  test("are valid, with a function for each phase of each program", () => {
    const bytes = generateWasm([addition(), tile()], PLAIN);
    expect(validate(bytes)).toBe(true);
    expect(bytes.length).toBeLessThan(700);
  });

  test("are the same bytes for the same program", () => {
    expect(generateWasm([tile()], RELAXED)).toEqual(generateWasm([tile()], RELAXED));
  });

  test("of a tiny kernel are these bytes", () => {
    const out = param("out", "int32", 1);
    const bytes = generateWasm([program([out], [store(out, 0, constant(7, "int32"))])], PLAIN);
    expect(
      Buffer.from(bytes)
        .toString("hex")
        .replace(/(.{64})/g, "$1\n"),
    ).toMatchInlineSnapshot(`
      "0061736d0100000001090160057f7f7f7f7f0002120103656e76066d656d6f72
      7902010180800403020100070501013000000a2d012b01017f20002802002105
      0240200220034e0d00034020054107360200200241016a22022003480d000b0b
      0b"
    `);
  });
});

describe("code", () => {
  test("of an addition computes its index once", () => {
    expect(printWasm(addition(), PLAIN)).toMatchInlineSnapshot(`
      "phase 0:
      locals 4 i32
      local.get $0
      i32.load_int32 offset=8
      local.set $5
      local.get $0
      i32.load_int32 offset=4
      local.set $6
      local.get $0
      i32.load_int32
      local.set $7
      block
        local.get $2
        local.get $3
        i32.ge_s
        br_if 0
        loop
          local.get $2
          i32.const 4
          i32.shl
          local.set $8
          local.get $7
          local.get $8
          i32.add
          local.get $6
          local.get $8
          i32.add
          v128.load
          local.get $5
          local.get $8
          i32.add
          v128.load
          f32x4.add
          v128.store
          local.get $2
          i32.const 1
          i32.add
          local.tee $2
          local.get $3
          i32.lt_s
          br_if 0
        end
      end
      "
    `);
  });

  test("of a tile splats while loading, and multiplies and adds at once where it may", () => {
    expect(printWasm(tile(), RELAXED)).toMatchInlineSnapshot(`
      "phase 0:
      locals 2 v128, 2 i32, 1 v128, 2 i32
      local.get $0
      i32.load_int32 offset=8
      local.set $8
      local.get $0
      i32.load_int32 offset=4
      local.set $10
      local.get $0
      i32.load_int32
      local.set $11
      block
        local.get $2
        local.get $3
        i32.ge_s
        br_if 0
        loop
          v128.const 0x00000000 0x00000000 0x00000000 0x00000000
          local.set $5
          v128.const 0x00000000 0x00000000 0x00000000 0x00000000
          local.set $6
          i32.const 0
          local.set $7
          loop
            local.get $8
            local.get $7
            i32.const 4
            i32.shl
            i32.add
            v128.load
            local.set $9
            local.get $10
            local.get $7
            i32.const 3
            i32.shl
            i32.add
            v128.loadSplat_4
            local.get $9
            local.get $5
            f32x4.fma
            local.set $5
            local.get $10
            local.get $7
            i32.const 3
            i32.shl
            i32.add
            v128.loadSplat_4 offset=4
            local.get $9
            local.get $6
            f32x4.fma
            local.set $6
            local.get $7
            i32.const 1
            i32.add
            local.tee $7
            i32.const 32
            i32.lt_s
            br_if 0
          end
          local.get $11
          local.get $5
          v128.store
          local.get $11
          local.get $6
          v128.store offset=16
          local.get $2
          i32.const 1
          i32.add
          local.tee $2
          local.get $3
          i32.lt_s
          br_if 0
        end
      end
      "
    `);
  });
});
