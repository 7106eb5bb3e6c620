// The wasm device on programs written by hand: results equal the interpreter's, memory is managed, threads share work.

import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Device, DeviceBuffer } from "../../src/device/device.js";
import { createWasmDevice, type WasmDevice } from "../../src/device/wasm/device.js";
import { currentPlatform } from "../../src/device/wasm/platform.js";
import { addIndex, divIndex, type IndexLike, letAtom, loopAtom } from "../../src/kernel/index.js";
import { modIndex, mulIndex, negIndex, symbolAtom, toIndex } from "../../src/kernel/index.js";
import { alloc, cast, constant, type Expr, forLoop, indexValue, load } from "../../src/kernel/ir.js";
import {
  loadedIndex,
  makeBuffer,
  ramp,
  ref,
  scalar,
  splat,
  type Stmt,
  store,
  validValue,
} from "../../src/kernel/ir.js";
import type { Program } from "../../src/lower/program.js";
import { decodeElements } from "../../src/scalar/convert.js";
import type { Scalar } from "../../src/scalar/dtype.js";
import { executed, interpreted, param, program } from "./wasm-programs.js";

let device: WasmDevice;
beforeAll(async () => {
  device = await createWasmDevice({ threads: 2 });
});
afterAll(() => device.close());

const float = (x: number, lanes = 1): Expr => constant(x, "float32", lanes);
const vector = (buffer: Parameters<typeof load>[0], at: IndexLike): Expr =>
  load(buffer, at, [], { lanes: 4 });
const count = (n: number, step = 1): number[] => Array.from({ length: n }, (_, i) => i * step);

async function expectEqual(
  p: Program,
  inputs: Readonly<Record<string, readonly Scalar[]>>,
  symbols: Readonly<Record<string, number>> = {},
): Promise<void> {
  expect(await executed(device, p, inputs, symbols)).toEqual(interpreted(p, inputs, symbols));
}

/** C = A B by tiles of `rows` times `columns` vectors, from panels packed along K. */
function tiledMatmul(m: number, n: number, k: number, rows: number, columns: number): Program {
  const width = columns * 4;
  const [c, a, b] = [
    param("c", "float32", m * n),
    param("a", "float32", m * k),
    param("b", "float32", k * n),
  ];
  const [i, j, kk] = [loopAtom("i", m / rows), loopAtom("j", n / width), loopAtom("k", k)];
  const acc = makeBuffer("acc", "float32", rows * columns, "register", 4);
  const variable = (r: number, v: number): Expr => load(acc, r * columns + v, [], { lanes: 4 });
  const tile: Stmt[] = [alloc(acc)];
  const step: Stmt[] = [];
  const end: Stmt[] = [];
  for (let v = 0; v < columns; v++) {
    const at = addIndex(mulIndex(j, k * width), mulIndex(kk, width), v * 4);
    step.push({ kind: "let", name: `b${v}`, value: vector(b, at) });
  }
  for (let r = 0; r < rows; r++) {
    const at = addIndex(mulIndex(i, k * rows), mulIndex(kk, rows), r);
    step.push({ kind: "let", name: `a${r}`, value: splat(load(a, at), 4) });
    for (let v = 0; v < columns; v++) {
      const product = scalar("mul", ref(`a${r}`, "float32", 4), ref(`b${v}`, "float32", 4));
      tile.push(store(acc, r * columns + v, float(0, 4)));
      step.push(store(acc, r * columns + v, scalar("add", product, variable(r, v))));
      const place = addIndex(mulIndex(i, rows * n), mulIndex(j, width), r * n + v * 4);
      end.push(store(c, place, variable(r, v)));
    }
  }
  tile.push(forLoop(kk, step), ...end);
  return program([c, a, b], [], { phases: [{ atom: i, grain: 1, body: [forLoop(j, tile)] }] });
}

describe("programs", () => {
  test("an elementwise addition in vectors of four with a tail", async () => {
    const [out, a, b] = [param("out", "float32", 11), param("a", "float32", 11), param("b", "float32", 11)];
    const [i, j] = [loopAtom("i", 2), loopAtom("j", 3)];
    const at = mulIndex(i, 4);
    const tail = addIndex(j, 8);
    const p = program(
      [out, a, b],
      [
        forLoop(i, [store(out, at, scalar("add", vector(a, at), vector(b, at)))]),
        forLoop(j, [store(out, tail, scalar("add", load(a, tail), load(b, tail)))]),
      ],
    );
    await expectEqual(p, { a: count(11), b: count(11, 10) });
  });

  test("a register tile of a matrix product from packed panels", async () => {
    for (const [rows, columns] of [
      [4, 3],
      [2, 4],
      [6, 2],
    ]) {
      const p = tiledMatmul(12, 48, 16, rows, columns);
      await expectEqual(p, { a: count(12 * 16).map((x) => x % 7), b: count(16 * 48).map((x) => x % 5) });
    }
  });

  test("a dot product with two vector accumulators, summed across lanes at the end", async () => {
    const [out, a, b] = [param("out", "float32", 1), param("a", "float32", 64), param("b", "float32", 64)];
    const i = loopAtom("i", 8);
    const acc = makeBuffer("acc", "float32", 2, "register", 4);
    const lanes = makeBuffer("lanes", "float32", 8, "local");
    const total = makeBuffer("total", "float32", 1, "register");
    const j = loopAtom("j", 8);
    const accumulator = (n: number): Expr => load(acc, n, [], { lanes: 4 });
    const p = program(
      [out, a, b],
      [
        alloc(acc),
        store(acc, 0, float(0, 4)),
        store(acc, 1, float(0, 4)),
        forLoop(
          i,
          [0, 1].map((n) => {
            const at = addIndex(mulIndex(i, 8), n * 4);
            return store(acc, n, scalar("fma", vector(a, at), vector(b, at), accumulator(n)));
          }),
        ),
        { ...alloc(lanes), offset: 64 } as Stmt,
        store(lanes, 0, accumulator(0)),
        store(lanes, 4, accumulator(1)),
        alloc(total),
        store(total, 0, float(0)),
        forLoop(j, [store(total, 0, scalar("add", load(total, 0), load(lanes, toIndex(j))))]),
        store(out, 0, load(total, 0)),
      ],
      { localBytes: 128 },
    );
    await expectEqual(p, { a: count(64), b: count(64).map((x) => x % 3) });
  });

  test("a load behind a false predicate gives zero and is not executed", async () => {
    const [out, a] = [param("out", "float32", 24), param("a", "float32", 8)];
    const i = loopAtom("i", 24);
    const at = addIndex(i, -8);
    const far = mulIndex(at, 2 ** 27); // beyond all memory, unless it is 0
    const inside = [at, addIndex(negIndex(i), 15)];
    const p = program(
      [out, a],
      [forLoop(i, [store(out, i, scalar("add", load(a, at, inside), load(a, far, [at, negIndex(at)])))])],
    );
    await expectEqual(p, { a: count(8).map((x) => x + 1) });
  });

  test("vectors behind predicates, in parts too", async () => {
    const [out, a] = [param("out", "float32", 32), param("a", "float32", 32)];
    const i = loopAtom("i", 4);
    const at = mulIndex(i, 8);
    const value = load(a, addIndex(at, -8), [addIndex(i, -1)], { lanes: 8 });
    const p = program(
      [out, a],
      [forLoop(i, [store(out, at, scalar("add", value, load(a, at, [], { lanes: 8 })))])],
    );
    await expectEqual(p, { a: count(32) });
  });

  test("gathers through loaded indices of every integer dtype, out of range giving zero", async () => {
    for (const dtype of ["int32", "uint32", "int64", "uint64"] as const) {
      const [out, data, at] = [
        param("out", "float32", 8),
        param("data", "float32", 5),
        param("at", dtype, 8),
      ];
      const i = loopAtom("i", 8);
      const index = loadedIndex(load(at, i));
      const value = load(data, index, [index, addIndex(negIndex(index), 4)]);
      const wrongs: Scalar[] = dtype.endsWith("64") ? [2n ** 32n + 1n, 2n ** 63n - 1n] : [5, 2 ** 31 - 1];
      const rights = [4, 0, 3, 3, 1, 2].map((x) => (dtype.endsWith("64") ? BigInt(x) : x));
      const p = program([out, data, at], [forLoop(i, [store(out, i, value)])]);
      await expectEqual(p, { data: count(5, 10).map((x) => x + 1), at: [...rights, ...wrongs] });
    }
  });

  test("quotients and remainders of positive and negative numbers", async () => {
    const size = 200;
    const n = symbolAtom("wasmDivisor", 1, 9);
    const i = loopAtom("i", size);
    const out = param("out", "int32", size * 6);
    const low = addIndex(mulIndex(i, 3), -250);
    const forms = [
      divIndex(low, 8),
      modIndex(low, 8),
      divIndex(low, 7),
      modIndex(low, 7),
      divIndex(mulIndex(i, 5), n),
      addIndex(modIndex(low, n), mulIndex(divIndex(i, 7), modIndex(i, n))),
    ];
    const body = forms.map((form, f) => store(out, addIndex(i, f * size), indexValue(form, "int32")));
    const p = program([out], [forLoop(i, body)], { symbols: [n] });
    for (const value of [1, 4, 7]) await expectEqual(p, {}, { wasmDivisor: value });
  });

  test("indices beyond 32 bits as values and in predicates", async () => {
    const out = param("out", "int64", 6);
    const i = loopAtom("i", 6);
    const large = addIndex(mulIndex(i, 2 ** 31), -(2 ** 33));
    const value = scalar("add", indexValue(large, "int64"), indexValue(divIndex(large, 3), "int64"));
    const valid = cast(validValue([large, addIndex(negIndex(large), 2 ** 32)]), "int64");
    const p = program([out], [forLoop(i, [store(out, i, scalar("add", value, valid))])]);
    await expectEqual(p, {});
  });

  test("symbolic sizes, let indices, ifs and ramps", async () => {
    const n = symbolAtom("wasmRows", 0, 5);
    const m = symbolAtom("wasmColumns", 1, 8);
    const out = param("out", "int32", 40);
    const [i, j] = [loopAtom("i", n), loopAtom("j", divIndex(m, 4))];
    const at = letAtom("at", 0, 32);
    const p = program(
      [out],
      [
        forLoop(j, [
          { kind: "letIndex", atom: at, index: addIndex(mulIndex(i, m), mulIndex(j, 4)) },
          {
            kind: "if",
            valid: [addIndex(i, -1), addIndex(negIndex(i), 3)],
            body: [store(out, at, ramp(addIndex(mulIndex(at, 3), -5), 2, "int32", 4))],
          },
        ]),
      ],
      { symbols: [n, m] },
    );
    const looped = { ...p, phases: [{ ...p.phases[0], atom: i }] };
    await expectEqual(looped, {}, { wasmRows: 5, wasmColumns: 8 });
    await expectEqual(looped, {}, { wasmRows: 3, wasmColumns: 4 });
    await expectEqual(looped, {}, { wasmRows: 0, wasmColumns: 3 });
  });

  test("rotations and additions of 32-bit words, as random numbers use", async () => {
    const out = param("out", "uint32", 16);
    const i = loopAtom("i", 4);
    const word = (x: number): Expr => constant(x, "uint32", 4);
    let [x, y] = [ramp(mulIndex(i, 4), 1, "uint32", 4), word(0x1bd11bda)];
    for (const rotation of [13, 15, 26, 6, 17, 29, 16, 24]) {
      x = scalar("add", x, y);
      const turned = scalar("or", scalar("shl", y, word(rotation)), scalar("shr", y, word(32 - rotation)));
      y = scalar("xor", turned, x);
    }
    await expectEqual(program([out], [forLoop(i, [store(out, mulIndex(i, 4), y)])]), {});
  });

  test("an expression ten thousand operations deep", async () => {
    const [out, a] = [param("out", "float32", 4), param("a", "float32", 4)];
    let x = vector(a, 0);
    for (let n = 0; n < 10_000; n++)
      x = scalar(n % 2 === 0 ? "add" : "mul", x, n % 3 === 0 ? x : float(0.5, 4));
    await expectEqual(program([out, a], [store(out, 0, x)]), { a: [1, 2, 3, 4] });
  });

  test("what a store overwrites is read before", async () => {
    const a = param("a", "int32", 16);
    const p = program(
      [a],
      [store(a, 0, load(a, 4, [], { lanes: 8 })), store(a, 8, load(a, 4, [], { lanes: 8 }))],
    );
    await expectEqual(p, { a: count(16) });
  });

  test("phases follow one another and share scratch memory", async () => {
    const [out, a] = [param("out", "float32", 1), param("a", "float32", 4096)];
    const part = param("part", "float32", 16);
    const [i, j, k] = [loopAtom("i", 16), loopAtom("j", 256), loopAtom("k", 1)];
    const sum = makeBuffer("sum", "float32", 1, "register");
    const all = loopAtom("all", 16);
    const added = (x: Expr): Stmt => store(sum, 0, scalar("add", load(sum, 0), x));
    const partial = load(a, addIndex(mulIndex(i, 256), j));
    const p = program([out, a], [], {
      scratch: [part],
      phases: [
        {
          atom: i,
          grain: 1,
          body: [
            alloc(sum),
            store(sum, 0, float(0)),
            forLoop(j, [added(partial)]),
            store(part, i, load(sum, 0)),
          ],
        },
        {
          atom: k,
          grain: 1,
          body: [
            alloc(sum),
            store(sum, 0, float(0)),
            forLoop(all, [added(load(part, all))]),
            store(out, 0, load(sum, 0)),
          ],
        },
      ],
    });
    await expectEqual(p, { a: count(4096).map((x) => x % 10) });
  });
});

describe("errors of the compiler's own making", () => {
  const compile = (body: readonly Stmt[]): Promise<unknown> => device.compile([program([], body)]);

  test("say the program's name and what is wrong", async () => {
    const stray = param("stray", "float32", 4);
    await expect(compile([store(stray, 0, float(1))])).rejects.toThrow(
      "program test: buffer stray is not declared where it is used",
    );
    const out = param("out", "float32", 4);
    const half = program([out], [store(out, 0, cast(constant(1, "float16"), "float32"))]);
    await expect(device.compile([half])).rejects.toThrow("dtype float16");
    const sine = program([out], [store(out, 0, scalar("sin", float(1)))]);
    await expect(device.compile([sine])).rejects.toThrow("sin on float32 is no machine operation");
  });
});

describe("threads", () => {
  test("share a range, each iteration done once, and results do not change", async () => {
    device.startThreads();
    const size = 20_000;
    const out = param("out", "int32", size);
    const i = loopAtom("i", size);
    const p = program([out], [], {
      phases: [
        { atom: i, grain: 50, body: [store(out, i, scalar("add", load(out, i), indexValue(i, "int32")))] },
      ],
    });
    for (let round = 0; round < 40; round++) {
      expect(await executed(device, p, { out: new Array(size).fill(1) })).toEqual(
        count(size).map((x) => x + 1),
      );
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  });

  test("have local memory of their own", async () => {
    const size = 20_000;
    const out = param("out", "int32", size);
    const [i, j, k] = [loopAtom("i", size), loopAtom("j", 64), loopAtom("k", 64)];
    const own = makeBuffer("own", "int32", 64, "local");
    const body: Stmt[] = [
      { ...alloc(own), offset: 0 } as Stmt,
      forLoop(j, [store(own, j, indexValue(i, "int32"))]),
      store(out, i, constant(0, "int32")),
      forLoop(k, [store(out, i, scalar("add", load(out, i), load(own, k)))]),
    ];
    const p = program([out], [], { localBytes: 256, phases: [{ atom: i, grain: 1, body }] });
    for (let round = 0; round < 10; round++) {
      expect(await executed(device, p, {})).toEqual(count(size, 64));
    }
  });

  test("are limited by BRISC_THREADS", () => {
    const before = process.env.BRISC_THREADS;
    try {
      process.env.BRISC_THREADS = "1";
      expect(currentPlatform().threads).toBe(1);
      process.env.BRISC_THREADS = "many";
      expect(() => currentPlatform()).toThrow('BRISC_THREADS is "many"');
    } finally {
      if (before === undefined) delete process.env.BRISC_THREADS;
      else process.env.BRISC_THREADS = before;
    }
  });
});

describe("submission", () => {
  const doubling = (size: number): Program => {
    const [out, a] = [param("out", "float32", size), param("a", "float32", size)];
    const i = loopAtom("i", size);
    return program([out, a], [forLoop(i, [store(out, i, scalar("add", load(a, i), load(a, i)))])]);
  };
  const contents = async (on: Device, buffer: DeviceBuffer): Promise<Scalar[]> =>
    decodeElements(await on.read(buffer, 0, buffer.bytes), "float32");

  test("a list of launches and copies runs in order, any number of times, on any buffers", async () => {
    const [executable] = await device.compile([doubling(4)]);
    const list = device.prepare([
      { kind: "launch", executable, slots: [1, 0], symbols: [] },
      { kind: "launch", executable, slots: [2, 1], symbols: [] },
      { kind: "copy", from: 2, to: 0, bytes: 16 },
    ]);
    const buffers = [0, 1, 2].map(() => device.allocate(16));
    device.write(buffers[0], new Uint8Array(new Float32Array([1, 2, 3, 4]).buffer));
    device.submit(list, buffers, []);
    device.submit(list, buffers, []);
    expect(await contents(device, buffers[0])).toEqual([16, 32, 48, 64]);
    const times = await device.submitTimed(list, buffers, []);
    expect(times).toHaveLength(3);
    expect(await contents(device, buffers[0])).toEqual([64, 128, 192, 256]);
  });

  test("equal programs share code", async () => {
    const [first, second] = await device.compile([doubling(12), doubling(12)]);
    const [third] = await device.compile([doubling(12)]);
    const codeOf = (executable: unknown): unknown => (executable as { code: unknown }).code;
    expect(codeOf(second)).toBe(codeOf(first));
    expect(codeOf(third)).toBe(codeOf(first));
  });

  test("a kernel that traps rejects the next wait, by name, and the device goes on", async () => {
    const out = param("out", "int32", 1);
    const zero = scalar("quot", constant(1, "int32"), load(out, 0));
    const bad = program([out], [store(out, 0, zero)], { name: "r_bad" });
    await expect(executed(device, bad, {})).rejects.toThrow("kernel r_bad failed: divide by zero");
    await expectEqual(doubling(4), { a: [1, 2, 3, 4] });
  });

  test("a trap in any thread is found", async () => {
    const [out, a] = [param("out", "int32", 100_000), param("a", "int32", 100_000)];
    const i = loopAtom("i", 100_000);
    const body = [store(out, i, scalar("quot", constant(1, "int32"), load(a, i)))];
    const p = program([out, a], [], { phases: [{ atom: i, grain: 100, body }] });
    for (let round = 0; round < 5; round++) await expect(executed(device, p, {})).rejects.toThrow("failed");
    await expectEqual(doubling(4), { a: [1, 2, 3, 4] });
  });
});

describe("memory", () => {
  test("is counted, reused, and refused clearly when there is none left", async () => {
    const own = await createWasmDevice({ threads: 1 });
    expect(own.bytesInUse).toBe(0);
    const first = own.allocate(1000);
    expect(own.bytesInUse).toBe(1024);
    own.release(first);
    expect(own.bytesInUse).toBe(0);
    expect(() => own.release(first)).toThrow("a buffer of 1000 bytes was used after its release");
    const large = own.allocate(2 ** 31);
    own.write(large, Uint8Array.of(7), 2 ** 31 - 1);
    expect([...(await own.read(large, 2 ** 31 - 1, 1))]).toEqual([7]);
    expect(() => own.allocate(2 ** 31)).toThrow(
      /no memory for 2147483648 bytes .* of at most 4096.0 MiB are in use/,
    );
    own.release(large);
    own.release(own.allocate(3 * 2 ** 30));
    await own.close();
  });

  test("a buffer beyond 2 GiB is reached by kernels", async () => {
    const own = await createWasmDevice({ threads: 1 });
    own.allocate(2 ** 31 + 2 ** 29);
    const [out, a] = [param("out", "float32", 8), param("a", "float32", 8)];
    const i = loopAtom("i", 8);
    const backwards = load(a, addIndex(negIndex(i), 7));
    const p = program([out, a], [forLoop(i, [store(out, i, backwards)])]);
    expect(await executed(own, p, { a: count(8) })).toEqual(count(8).reverse());
    await own.close();
  });
});
