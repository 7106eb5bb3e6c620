// The interpreter on small kernels written by hand, before and after lowering, and the faults it must report.

import { describe, expect, test } from "vitest";
import { addIndex, letAtom, loopAtom, mulIndex, symbolAtom, toIndex } from "../../src/kernel/index.js";
import { interpretKernel, interpretProgram } from "../../src/kernel/interpret.js";
import {
  accumulate,
  alloc,
  type Buffer,
  cast,
  constant,
  type Expr,
  extract,
  forLoop,
  indexValue,
  type Kernel,
  load,
  loadedIndex,
  makeBuffer,
  pack,
  ref,
  type Stmt,
  scalar,
  splat,
  store,
  validValue,
} from "../../src/kernel/ir.js";
import type { Program } from "../../src/lower/program.js";
import { decodeElements, encodeElements } from "../../src/scalar/convert.js";
import type { DType, Scalar } from "../../src/scalar/dtype.js";

const param = (name: string, dtype: DType, size: number): Buffer => makeBuffer(name, dtype, size, "global");
const kernel = (params: readonly Buffer[], body: readonly Stmt[], more: Partial<Kernel> = {}): Kernel => ({
  name: "test",
  params,
  symbols: [],
  body,
  ...more,
});
const program = (params: readonly Buffer[], body: readonly Stmt[], more: Partial<Program> = {}): Program => ({
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

/** Runs with inputs given as values; the rest starts as zeros. Gives the values of the first parameter. */
function run(k: Kernel | Program, inputs: readonly (readonly Scalar[])[], symbols = {}): Scalar[] {
  const memory = new Map<Buffer, Uint8Array>();
  k.params.forEach((buffer, i) => {
    const size = buffer.size.value ?? buffer.size.max;
    const values = i === 0 ? new Array<number>(size).fill(0) : inputs[i - 1];
    memory.set(buffer, encodeElements(values, buffer.dtype));
  });
  if ("phases" in k) interpretProgram(k, memory, symbols);
  else interpretKernel(k, memory, symbols);
  return decodeElements(memory.get(k.params[0])!, k.params[0].dtype);
}

const float = (x: number): Expr => constant(x, "float32");

describe("kernels", () => {
  test("a matrix product with an accumulator in local memory", () => {
    const [c, a, b] = [param("c", "float32", 4), param("a", "float32", 6), param("b", "float32", 6)];
    const [i, j, k] = [loopAtom("i", 2), loopAtom("j", 2), loopAtom("k", 3)];
    const acc = makeBuffer("acc", "float32", 1, "local");
    const product = scalar("mul", load(a, addIndex(mulIndex(i, 3), k)), load(b, addIndex(mulIndex(k, 2), j)));
    const body = forLoop(i, [
      forLoop(j, [
        alloc(acc),
        store(acc, 0, float(0)),
        forLoop(k, [accumulate("add", acc, 0, product)]),
        store(c, addIndex(mulIndex(i, 2), j), load(acc, 0)),
      ]),
    ]);
    expect(
      run(kernel([c, a, b], [body]), [
        [1, 2, 3, 4, 5, 6],
        [1, 2, 3, 4, 5, 6],
      ]),
    ).toEqual([22, 28, 49, 64]);
  });

  test("a load behind a false predicate is zero and touches nothing, nested loads included", () => {
    const [out, data, at] = [param("out", "int32", 4), param("data", "int32", 2), param("at", "int64", 3)];
    const i = loopAtom("i", 4);
    const inside = addIndex(2, mulIndex(i, -1)); // i <= 2: `at` has 3 elements
    const position = loadedIndex(load(at, i, [inside]), -100, 100);
    const value = load(data, position, [inside, position, addIndex(1, mulIndex(position, -1))]);
    expect(
      run(kernel([out, data, at], [forLoop(i, [store(out, i, value)])]), [
        [7, 8],
        [1n, 5n, -3n],
      ]),
    ).toEqual([8, 0, 0, 0]);
  });

  test("symbolic sizes, conditions and indices as values", () => {
    const n = symbolAtom("interpret_n", 1, 8);
    const out = makeBuffer("out", "uint8", n, "global");
    const i = loopAtom("i", n);
    const body: Stmt[] = [
      forLoop(i, [
        store(out, i, indexValue(mulIndex(i, 100), "uint8")),
        {
          kind: "if",
          valid: [addIndex(i, -3)],
          body: [store(out, i, cast(validValue([toIndex(i)]), "uint8"))],
        },
      ]),
    ];
    const k = kernel([out], body, { symbols: [n] });
    expect(run(k, [], { interpret_n: 5 })).toEqual([0, 100, 200, 1, 1, 0, 0, 0]);
    expect(() => run(k, [], {})).toThrow("test: no value is given for the variable interpret_n");
    expect(() => run(k, [], { interpret_n: 9 })).toThrow("interpret_n = 9 is not in [1, 8]");
  });

  test("thousands of operations deep", () => {
    const out = param("out", "float32", 1);
    let x = float(0);
    const y = load(param("unused", "float32", 1), 0, [toIndex(-1)]);
    for (let i = 0; i < 20_000; i++) x = scalar("add", x, i === 0 ? float(1) : constant(1, "float32"));
    expect(y.op).toBe("load");
    expect(run(kernel([out], [store(out, 0, x)]), [])).toEqual([20_000]);
    // A diamond at each of 1000 steps: shared values are computed once.
    x = float(2 ** -10);
    for (let i = 0; i < 1000; i++) x = scalar("mul", scalar("add", x, x), float(0.5));
    expect(run(kernel([out], [store(out, 0, x)]), [])).toEqual([2 ** -10]);
  });

  test("64-bit integers, half precision and reductions of each kind", () => {
    const i = loopAtom("i", 3);
    const reduce = (
      op: "add" | "mul" | "max" | "min",
      dtype: DType,
      start: Scalar,
      values: Scalar[],
    ): Scalar => {
      const [out, data] = [param("out", dtype, 1), param("data", dtype, 3)];
      const body = [
        store(out, 0, constant(start, dtype)),
        forLoop(i, [accumulate(op, out, 0, load(data, i))]),
      ];
      return run(kernel([out, data], body), [values])[0];
    };
    expect(reduce("add", "int64", 0n, [2n ** 62n, 2n ** 62n, 5n])).toBe(-(2n ** 63n) + 5n);
    expect(reduce("max", "float16", Number.NEGATIVE_INFINITY, [-2, Number.NaN, 3])).toBe(Number.NaN);
    expect(reduce("add", "float16", 0, [2048, 1, 1])).toBe(2048);
    expect(reduce("min", "uint8", 255, [9, 3, 7])).toBe(3);
    expect(reduce("mul", "bool", true, [true, false, true])).toBe(false);
  });

  test("memory just allocated holds rubbish each time round", () => {
    const out = param("out", "float32", 2);
    const i = loopAtom("i", 2);
    const t = makeBuffer("t", "float32", 1, "local");
    expect(
      run(kernel([out], [forLoop(i, [alloc(t), store(out, i, load(t, 0)), store(t, 0, float(1))])]), []),
    ).toEqual([Number.NaN, Number.NaN]);
  });
});

describe("programs", () => {
  test("vectors, registers, lets, widening loads and phases", () => {
    const [out, bytes] = [param("out", "float32", 8), param("bytes", "int8", 8)];
    const scratch = makeBuffer("partial", "int32", 2, "scratch");
    const register = makeBuffer("r", "int32", 2, "register", 4);
    const [one, two] = [loopAtom("one", 1), loopAtom("two", 2)];
    const start = letAtom("start", 0, 4);
    const x = ref("x", "int32", 4);
    const sum = [1, 2, 3].reduce((s, lane) => scalar("add", s, extract(x, lane)), extract(x, 0));
    const first: Stmt[] = [
      alloc(register),
      store(register, 0, load(bytes, 0, [], { dtype: "int32", lanes: 4 })),
      store(register, 1, load(bytes, 4, [], { dtype: "int32", lanes: 4 })),
      {
        kind: "let",
        name: "x",
        value: scalar("add", load(register, 0, [], { lanes: 4 }), load(register, 1, [], { lanes: 4 })),
      },
      store(scratch, 0, sum),
      store(scratch, 1, constant(-1, "int32")),
    ];
    const second: Stmt[] = [
      { kind: "letIndex", atom: start, index: mulIndex(two, 4) },
      { kind: "let", name: "s", value: splat(cast(load(scratch, two), "float32"), 4) },
      store(out, start, scalar("mul", ref("s", "float32", 4), pack([1, 2, 3, 4].map(float)))),
    ];
    const p = program([out, bytes], [], {
      scratch: [scratch],
      phases: [
        { atom: one, grain: 1, body: first },
        { atom: two, grain: 1, body: second },
      ],
    });
    expect(run(p, [[-1, 2, -3, 4, 5, 6, 7, -8]])).toEqual([12, 24, 36, 48, -1, -2, -3, -4]);
  });

  test("a store wraps to the buffer's width; local buffers share the memory their offsets name", () => {
    const out = param("out", "uint8", 2);
    const local = makeBuffer("l", "float32", 2, "local");
    const place = (offset: number): Stmt => ({ kind: "alloc", buffer: local, offset });
    const body = (offset: number): Stmt[] => [
      place(offset),
      store(local, 0, float(1)),
      store(out, 0, constant(300, "int32")),
      store(out, 1, cast(load(local, 0), "uint32")),
    ];
    expect(run(program([out], body(64), { localBytes: 128 }), [])).toEqual([44, 1]);
    expect(() => run(program([out], body(64), { localBytes: 64 }), [])).toThrow(
      "test: l (float32) at byte 64 exceeds 64 bytes of local memory",
    );
  });
});

describe("faults name the kernel, the buffer and the index", () => {
  const out = param("out", "float32", 4);
  const i = loopAtom("i", 5);
  test("a store out of bounds", () => {
    expect(() => run(kernel([out], [forLoop(i, [store(out, i, float(1))])]), [])).toThrow(
      "test: store to out (float32)[4], size 4, index i",
    );
    const wide = store(out, 1, constant(1, "float32", 4));
    expect(() => run(program([out], [wide]), [])).toThrow(
      "test: store to out (float32)[1] (4 elements), size 4",
    );
  });
  test("a load out of bounds, a buffer not given, memory too small", () => {
    const k = kernel([out], [store(out, 0, load(out, -1))]);
    expect(() => run(k, [])).toThrow("test: load of out (float32)[-1], size 4");
    expect(() => interpretKernel(k, new Map())).toThrow("no memory is given for parameter out (float32)");
    expect(() => interpretKernel(k, new Map([[out, new Uint8Array(15)]]))).toThrow("needs 4 elements");
  });
  test("a variable outside its loop, a name never bound", () => {
    expect(() => run(kernel([out], [store(out, i, float(1))]), [])).toThrow("loop variable i is not bound");
    expect(() => run(program([out], [store(out, 0, ref("nobody", "float32", 1))]), [])).toThrow(
      "nobody is not bound",
    );
  });
});
