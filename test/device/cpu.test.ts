// The cpu device on programs written by hand, against the interpreter; and its cache, errors, threads and memory.

import { execFile } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { build } from "esbuild";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type CpuOptions, createCpuDevice } from "../../src/device/cpu/device.js";
import type { Device, DeviceBuffer } from "../../src/device/device.js";
import {
  addIndex,
  evaluateIndex,
  loopAtom,
  mulIndex,
  type SymbolAtom,
  symbolAtom,
  toIndex,
} from "../../src/kernel/index.js";
import { interpretProgram } from "../../src/kernel/interpret.js";
import {
  type Buffer as IrBuffer,
  constant,
  forLoop,
  load,
  makeBuffer,
  scalar,
  store,
} from "../../src/kernel/ir.js";
import type { Program } from "../../src/lower/program.js";
import { decodeElements, encodeElements } from "../../src/scalar/convert.js";
import { bytesOf, type DType, integerLimits, isFloat, type Scalar } from "../../src/scalar/dtype.js";
import type { ScalarOp } from "../../src/scalar/ops.js";
import {
  add,
  converted,
  deep,
  elementwise,
  gather,
  lanesOfIndices,
  literals,
  makeProgram,
  masked,
  matmul,
  narrow,
  param,
  quotients,
  reversed,
  rowSums,
  shifted,
  streamed,
} from "./programs.js";

const directory = mkdtempSync(join(tmpdir(), "brisc-test-"));
const made: Device[] = [];
async function makeDevice(options: CpuOptions = {}): Promise<Device> {
  const device = await createCpuDevice({ cacheDirectory: directory, ...options });
  made.push(device);
  return device;
}

const missing = await makeDevice().then(
  () => undefined,
  (error: Error) => error.message,
);
if (missing !== undefined) console.log(`cpu device tests are skipped: ${missing}`);

afterAll(async () => {
  for (const device of made) await device.close();
  rmSync(directory, { recursive: true, force: true });
});

type Memory = Map<IrBuffer, Uint8Array>;
type Symbols = Record<string, number>;

const sizeIn = (buffer: IrBuffer, symbols: Symbols): number =>
  evaluateIndex(buffer.size, (atom) => symbols[(atom as SymbolAtom).name]);

/** Inputs by parameter's name; the others begin as ones of all bits. */
function memoryFor(program: Program, inputs: Record<string, readonly Scalar[]>, symbols: Symbols): Memory {
  return new Map(
    program.params.map((buffer) => {
      const given = inputs[buffer.name];
      const bytes = sizeIn(buffer, symbols) * bytesOf(buffer.dtype);
      return [
        buffer,
        given === undefined ? new Uint8Array(bytes).fill(1) : encodeElements(given, buffer.dtype),
      ];
    }),
  );
}

async function runOn(
  device: Device,
  program: Program,
  memory: Memory,
  symbols: Symbols = {},
): Promise<Memory> {
  const [executable] = await device.compile([program]);
  const scratch = program.scratch.map((b) => device.allocate(sizeIn(b, symbols) * bytesOf(b.dtype)));
  const buffers = program.params.map((buffer): DeviceBuffer => {
    const bytes = memory.get(buffer)!;
    const held = device.allocate(bytes.byteLength);
    device.write(held, bytes);
    return held;
  });
  const all = [...buffers, ...scratch];
  const list = device.prepare([
    { kind: "launch", executable, slots: all.map((_, i) => i), symbols: program.symbols.map((_, i) => i) },
  ]);
  device.submit(
    list,
    all,
    program.symbols.map(({ name }) => symbols[name]),
  );
  await device.idle();
  const result: Memory = new Map();
  for (const [i, buffer] of program.params.entries()) {
    result.set(buffer, await device.read(buffers[i], 0, buffers[i].bytes));
  }
  for (const buffer of all) device.release(buffer);
  return result;
}

/** Runs on the device and on the interpreter and compares every parameter. */
async function agree(
  device: Device,
  program: Program,
  inputs: Record<string, readonly Scalar[]> = {},
  symbols: Symbols = {},
): Promise<Memory> {
  const expected = memoryFor(program, inputs, symbols);
  const actual = await runOn(device, program, memoryFor(program, inputs, symbols), symbols);
  interpretProgram(program, expected, symbols);
  for (const buffer of program.params) {
    const values = (memory: Memory): Scalar[] => decodeElements(memory.get(buffer)!, buffer.dtype);
    const [got, wanted] = [values(actual), values(expected)];
    for (const [i, value] of got.entries()) {
      if (!close(value, wanted[i], /^(max|min)/.test(program.name))) {
        throw new Error(
          `${program.name}: ${buffer.name}[${i}] is ${value}, the interpreter says ${wanted[i]}`,
        );
      }
    }
  }
  return actual;
}

/** Equal, or as near as a fused multiply-add makes it. The sign of zero counts unless maxima choose it. */
function close(x: Scalar, y: Scalar, eitherZero: boolean): boolean {
  if (Object.is(x, y)) return true;
  if (typeof x !== "number" || typeof y !== "number") return false;
  if (x === 0 && y === 0) return eitherZero;
  return Math.abs(x - y) <= 2e-6 * Math.max(Math.abs(x), Math.abs(y));
}

const sequence = (length: number, f: (i: number) => Scalar): Scalar[] =>
  Array.from({ length }, (_, i) => f(i));
const noise = (length: number): number[] =>
  Array.from({ length }, (_, i) => Math.fround(Math.sin(i * 12.9898) * 3));

const FLOATS = [
  0, -0, 1, -1, 0.5, -0.5, 1.5, 2.5, -2.5, 3.7, -3.7, 1e-40, 8388609.5, 2147483648, -2147483648,
].concat([
  2147483520,
  4294967040,
  4294967296,
  9.3e18,
  -9.3e18,
  1.9e19,
  3e38,
  -3e38,
  0.1,
  Infinity,
  -Infinity,
  NaN,
  255,
  256,
  -129,
  65536,
  16777217,
]);
function samples(dtype: DType, rotate: number): Scalar[] {
  const pick = (values: readonly Scalar[]): Scalar[] =>
    sequence(32, (i) => values[(i * (rotate * 2 + 1)) % values.length]);
  if (dtype === "bool") return sequence(32, (i) => ((i >> rotate) & 1) === 1);
  if (isFloat(dtype)) return pick(dtype === "float32" ? FLOATS.map(Math.fround) : FLOATS);
  const { min, max } = integerLimits(dtype);
  const all = [0n, 1n, 2n, 7n, max, max - 1n, min, min + 1n, max / 3n, 100n, min / 5n, 31n];
  const values = all.filter((x) => x >= min);
  return pick(bytesOf(dtype) === 8 ? values : values.map(Number));
}

describe.skipIf(missing !== undefined)("programs give what the interpreter gives:", () => {
  let device: Device;
  beforeAll(async () => {
    device = await makeDevice({ threads: 2 });
  });

  test("stores past the caches, of vectors of every size", async () => {
    for (const [dtype, lanes] of [
      ["float32", 16],
      ["float32", 8],
      ["float32", 4],
      ["float64", 8],
      ["int16", 16],
      ["int8", 16],
      ["bool", 16],
      ["int32", 2],
    ] as const) {
      const x = sequence(4096, (i) => (dtype === "bool" ? i % 3 === 0 : (i % 200) - 100));
      await agree(device, streamed(dtype, 4096, lanes), { x });
    }
  });
  test("vectors with a tail", async () => {
    for (const size of [1, 15, 16, 100, 5000]) {
      await agree(device, add(size, 16), { a: noise(size), b: sequence(size, (i) => i) });
    }
  });

  test("a matrix product in register tiles", async () => {
    const [rows, columns, k] = [28, 64, 33];
    await agree(device, matmul(rows, columns, k, 14, 2, 16), {
      a: sequence(rows * k, (i) => (i * 7) % 11),
      b: sequence(k * columns, (i) => (i * 5) % 13),
    });
  });

  test("reductions; NaN reaches a maximum", async () => {
    const x = noise(5 * 64);
    x[70] = NaN;
    const result = await agree(device, rowSums(5, 64, 8), { x });
    const tops = [...result.entries()].find(([buffer]) => buffer.name === "tops")!;
    expect(decodeElements(tops[1], "float32")[1]).toBeNaN();
  });

  test("predicated loads", async () => {
    await agree(device, shifted(64, 1), { x: noise(61) });
    await agree(device, shifted(64, 4), { x: noise(61) });
  });

  test("a load behind a false predicate is not executed", async () => {
    const [y, x] = [param("y", "float32", 2), param("x", "float32", 2)];
    const i = loopAtom("i", 2);
    const far = addIndex(mulIndex(i, 2 ** 45), 0);
    const body = [store(y, i, load(x, far, [addIndex(mulIndex(i, -1), 0)]))];
    await agree(device, makeProgram("far", [y, x], [{ atom: i, grain: 2, body }]), { x: [5, 6] });
  });

  test("gathers through loaded indices", async () => {
    const indices = sequence(20, (i) => ((i * 7) % 23) - 4);
    await agree(device, gather(11, 20), { table: noise(11), indices });
  });

  test("local memory and symbols", async () => {
    for (const n of [1, 5, 9]) await agree(device, reversed(6, 9), { x: noise(6 * n) }, { n });
  });

  test("index arithmetic with floor semantics", async () => {
    for (const d of [1, 7, 8, 100]) await agree(device, quotients(40), {}, { d });
  });

  test("ramps, packs, extracts and branches", async () => {
    await agree(device, lanesOfIndices(9));
  });

  test("literals", async () => {
    await agree(
      device,
      literals("float32", [0, -0, 1, 0.1, 1e-45, 3.4e38, NaN, Infinity, -Infinity].map(Math.fround)),
    );
    await agree(device, literals("float64", [-0, 0.1, 5e-324, 1.7976931348623157e308, NaN, -Infinity, 1e21]));
    for (const dtype of ["int32", "uint32", "int64", "uint64"] as const) {
      const { min, max } = integerLimits(dtype);
      await agree(
        device,
        literals(dtype, bytesOf(dtype) === 8 ? [min, max, 1n] : [Number(min), Number(max), 1]),
      );
    }
    await agree(device, literals("bool", [true, false]));
  });

  test("an expression ten thousand operations deep, and a diamond", async () => {
    await agree(device, deep(5000), { x: [3, -4] });
  });
});

describe.skipIf(missing !== undefined)("operations give what the interpreter gives:", () => {
  let device: Device;
  beforeAll(async () => {
    device = await makeDevice({ threads: 1 });
  });
  const FLOAT_OPS: ScalarOp[] = ["add", "sub", "mul", "div", "max", "min", "lt", "le", "eq", "ne"];
  const FLOAT_UNARY: ScalarOp[] = ["neg", "abs", "sqrt", "floor", "trunc", "round"];
  const INTEGER_OPS: ScalarOp[] = [
    "add",
    "sub",
    "mul",
    "max",
    "min",
    "and",
    "or",
    "xor",
    "lt",
    "le",
    "eq",
    "ne",
  ];
  const REGISTERS: DType[] = ["bool", "int32", "uint32", "int64", "uint64", "float32", "float64"];

  /** Many programs at once, as units of several kernels. */
  async function agreeAll(
    programs: readonly Program[],
    inputs: (program: Program) => Record<string, readonly Scalar[]>,
  ) {
    await device.compile(programs);
    for (const program of programs) await agree(device, program, inputs(program));
  }
  const sampled = (program: Program): Record<string, readonly Scalar[]> =>
    Object.fromEntries(program.params.slice(1).map((b, i) => [b.name, samples(b.dtype, i)]));

  test("maxima and minima with literals on either side", async () => {
    const programs = (["float32", "float64", "int32", "uint32"] as const).flatMap((dtype) =>
      [1, 2, 4, 8, 16].map((lanes) => {
        const i = loopAtom("i", 32 / lanes);
        const [out, x] = [param("out", dtype, 32), param("x", dtype, 32)];
        const value = load(x, mulIndex(i, lanes), [], { lanes });
        const [low, high] = [1, 3].map((bound) => constant(bound, dtype, lanes));
        const within = scalar("min", high, scalar("max", value, low));
        const body = [store(out, mulIndex(i, lanes), within)];
        return makeProgram(`limits_${dtype}_${lanes}`, [out, x], [{ atom: i, grain: 1024, body }]);
      }),
    );
    await agreeAll(programs, sampled);
  });

  for (const lanes of [1, 4, 8, 16]) {
    test(`on floats, ${lanes} lanes`, async () => {
      const programs = (["float32", "float64"] as const).flatMap((dtype) => [
        ...FLOAT_OPS.map((op) => elementwise(op, [dtype, dtype], 32, lanes)),
        ...FLOAT_UNARY.map((op) => elementwise(op, [dtype], 32, lanes)),
        elementwise("where", ["bool", dtype, dtype], 32, lanes),
      ]);
      await agreeAll(programs, sampled);
    });

    test(`on integers and bools, ${lanes} lanes`, async () => {
      const programs = (["int32", "uint32", "int64", "uint64"] as const).flatMap((dtype) => [
        ...INTEGER_OPS.map((op) => elementwise(op, [dtype, dtype], 32, lanes)),
        ...(["neg", "abs", "not"] as const).map((op) => elementwise(op, [dtype], 32, lanes)),
        elementwise("where", ["bool", dtype, dtype], 32, lanes),
      ]);
      const bools = (["and", "or", "xor", "lt", "le", "eq", "ne"] as const).map((op) =>
        elementwise(op, ["bool", "bool"], 32, lanes),
      );
      await agreeAll([...programs, ...bools, elementwise("not", ["bool"], 32, lanes)], sampled);
      await agreeAll([elementwise("where", ["bool", "bool", "bool"], 32, lanes)], sampled);
    });

    test(`shifts and divisions, ${lanes} lanes`, async () => {
      for (const dtype of ["int32", "uint32", "int64", "uint64"] as const) {
        const big = bytesOf(dtype) === 8;
        const amounts = sequence(32, (i) => (big ? BigInt(i * 2) : i));
        const divisors = sequence(32, (i) => (big ? BigInt(i + 2) : i + 2));
        const dividends = samples(dtype, 0);
        for (const op of ["shl", "shr"] as const) {
          await agree(device, elementwise(op, [dtype, dtype], 32, lanes), { x: dividends, y: amounts });
        }
        for (const op of ["quot", "rem"] as const) {
          await agree(device, elementwise(op, [dtype, dtype], 32, lanes), { x: dividends, y: divisors });
        }
      }
    });

    test(`casts between all registers, ${lanes} lanes`, async () => {
      const pairs = REGISTERS.flatMap((from) =>
        REGISTERS.filter((to) => to !== from).map((to) => [from, to] as const),
      );
      await agreeAll(
        pairs.map(([from, to]) => converted(from, to, 32, lanes)),
        sampled,
      );
    });

    test(`bits, narrow integers and masks, ${lanes} lanes`, async () => {
      const bits = [
        ["float32", "uint32"],
        ["int32", "float32"],
        ["float64", "int64"],
        ["uint64", "float64"],
        ["int32", "uint32"],
      ] as const;
      await agreeAll(
        [
          ...bits.map(([from, to]) => converted(from, to, 32, lanes, true)),
          narrow("int8", "int32", 32, lanes),
          narrow("uint8", "uint32", 32, lanes),
          narrow("int16", "int32", 32, lanes),
          narrow("uint16", "uint32", 32, lanes),
        ],
        sampled,
      );
      for (const dtype of ["float32", "float64", "int32", "uint64"] as const) {
        const [x, y] = [samples(dtype, 0), samples(dtype, 1)];
        await agree(device, masked(dtype, 32, lanes), { x, y, other: samples("bool", 0) });
      }
    });
  }

  test("maxima with a literal keep NaN", async () => {
    const [y, x] = [param("y", "float32", 16), param("x", "float32", 16)];
    const i = loopAtom("i", 2);
    const value = load(x, mulIndex(i, 8), [], { lanes: 8 });
    const body = [
      store(
        y,
        mulIndex(i, 8),
        scalar("max", constant(0, "float32", 8), scalar("min", value, constant(6, "float32", 8))),
      ),
    ];
    const inputs = [NaN, -1, 7, 3, Infinity, -Infinity, -0, 0].flatMap((v) => [v, v]);
    await agree(device, makeProgram("max_min_relu6", [y, x], [{ atom: i, grain: 2, body }]), { x: inputs });
  });
});

describe.skipIf(missing !== undefined)("compiling", () => {
  const fresh = (): string => mkdtempSync(join(directory, "cache-"));
  const inputs = { a: noise(20), b: noise(20) };

  test("42. a damaged or truncated cache file is built again", async () => {
    const cacheDirectory = fresh();
    await agree(await makeDevice({ cacheDirectory }), add(20, 4), inputs);
    const files = readdirSync(cacheDirectory);
    expect(files.some((name) => name.startsWith("."))).toBe(false);
    for (const name of files) {
      const path = join(cacheDirectory, name);
      const bytes = readFileSync(path);
      // Removed first: the object is mapped into this process, and must not change under it.
      rmSync(path);
      bytes[bytes.length >> 1] ^= 0x55;
      writeFileSync(path, bytes);
      if (name.startsWith("toolchain")) truncateSync(path, 3);
    }
    await agree(await makeDevice({ cacheDirectory }), add(20, 4), inputs);
    for (const name of files) {
      const path = join(cacheDirectory, name);
      rmSync(path);
      writeFileSync(path, "");
    }
    await agree(await makeDevice({ cacheDirectory }), add(20, 4), inputs);
    expect(readdirSync(cacheDirectory).sort()).toEqual(files.sort());
  });

  test("programs of one batch are found again one by one", async () => {
    const cacheDirectory = fresh();
    const sizes = [20, 24, 28, 32, 36];
    await (await makeDevice({ cacheDirectory })).compile(sizes.map((size) => add(size, 4)));
    const count = readdirSync(cacheDirectory).length;
    const device = await makeDevice({ cacheDirectory });
    await agree(device, add(28, 4), { a: noise(28), b: noise(28) });
    expect(readdirSync(cacheDirectory)).toHaveLength(count);
    // Each program's place, two units, the runtime and the toolchain.
    expect(count).toBe(sizes.length + 4);
  });

  test("equal programs share their code", async () => {
    const cacheDirectory = fresh();
    const device = await makeDevice({ cacheDirectory });
    const [one, two] = await device.compile([add(20, 4), add(20, 4)]);
    expect(one).toMatchObject({ phases: (two as unknown as { phases: number[] }).phases });
    expect(readdirSync(cacheDirectory).filter((name) => name.endsWith(".place"))).toHaveLength(1);
  });

  test("a failure names the kernel and gives the compiler's words, and spares its companions", async () => {
    const compiler = join(directory, "cc");
    const script = `#!/bin/sh\nfor x in "$@"; do case "$x" in --version|-dM) exec cc "$@";; esac; done
cat > ${directory}/in-$$.c; if grep -q 'void e_24' ${directory}/in-$$.c; then echo "in void e_24: no luck" >&2; exit 1; fi
exec cc "$@" < ${directory}/in-$$.c\n`;
    writeFileSync(compiler, script, { mode: 0o755 });
    const device = await makeDevice({ cacheDirectory: fresh(), compiler });
    const outcomes = await Promise.allSettled([
      device.compile([add(20, 4), add(24, 4), add(28, 4)]),
      device.compile([add(20, 4)]),
    ]);
    expect(outcomes.map((o) => o.status)).toEqual(["rejected", "fulfilled"]);
    await expect(device.compile([add(24, 4)])).rejects.toThrow(
      /^kernel e_24: .*failed \(1\):\nin void e_24: no luck$/,
    );
    await agree(device, add(28, 4), { a: noise(28), b: noise(28) });
  });

  test("no compiler is said in a sentence", async () => {
    await expect(createCpuDevice({ compiler: "/nowhere/cc", cacheDirectory: directory })).rejects.toThrow(
      "the one asked for (BRISC_CC), /nowhere/cc, is not an executable file",
    );
  });

  test("42. processes share a cache, and end cleanly with threads left running", async () => {
    const cacheDirectory = fresh();
    const contents = `
      import { createCpuDevice } from "./src/device/cpu/device.js";
      import { add, matmul } from "./test/device/programs.js";
      const device = await createCpuDevice({ cacheDirectory: process.argv[2], threads: 3, build: "a" });
      const programs = [20, 24, 28, 32].map((size) => add(size, 4));
      const all = [...programs, matmul(56, 64, 8, 14, 2, 16)];
      const keys = all.map((program) => program.name);
      await device.compile(all, keys);
      const executables = await device.recall(keys);
      const buffers = [0, 1, 2].map(() => device.allocate(16384));
      device.write(buffers[1], new Uint8Array(new Float32Array(4096).fill(1.5).buffer));
      device.write(buffers[2], new Uint8Array(new Float32Array(4096).fill(2).buffer));
      device.submit(device.prepare(executables.map((executable) =>
        ({ kind: "launch", executable, slots: [0, 1, 2], symbols: [] }))), buffers, []);
      const out = new Float32Array((await device.read(buffers[0], 0, 56 * 64 * 4)).buffer);
      console.log([...new Set(out)].join());
      if (process.argv[3] === "now") process.exit(0);`;
    // Beside koffi, so that the bundle finds it.
    const bundle = join(process.cwd(), `node_modules/.brisc-test-${process.pid}.mjs`);
    await build({
      stdin: { contents, resolveDir: process.cwd(), loader: "ts" },
      bundle: true,
      platform: "node",
      format: "esm",
      external: ["koffi"],
      outfile: bundle,
    });
    const run = (when: string): Promise<{ stdout: string }> =>
      promisify(execFile)(process.execPath, [bundle, cacheDirectory, when]);
    try {
      const outputs = await Promise.all(["now", "later", "now"].map(run));
      expect(outputs.map(({ stdout }) => stdout.trim())).toEqual(["24", "24", "24"]);
    } finally {
      rmSync(bundle);
    }
    expect(readdirSync(cacheDirectory).filter((name) => name.startsWith("."))).toEqual([]);
  });
});

describe.skipIf(missing !== undefined)("running", () => {
  /** out[i] = x[i] + 1, `work` times over, a phase iteration an element. */
  function increments(size: number, work: number, grain: number): Program {
    const [out, x] = [param("out", "float32", size), param("x", "float32", size)];
    const [i, k] = [loopAtom("i", size), loopAtom("k", work)];
    const body = [forLoop(k, [store(out, i, scalar("add", load(x, i), constant(1, "float32")))])];
    return makeProgram(`inc_${size}_${work}`, [out, x], [{ atom: i, grain, body }]);
  }

  test("many small and large phases on more threads than cores", async () => {
    const device = await makeDevice({ threads: 5 });
    const programs = [
      increments(3, 1, 1),
      increments(1000, 1, 1),
      increments(1000, 200, 7),
      increments(8, 1, 100),
    ];
    const executables = await device.compile(programs);
    const [a, b] = [device.allocate(4000), device.allocate(4000)];
    device.write(a, new Uint8Array(4000));
    const commands = Array.from({ length: 400 }, (_, n) => ({
      kind: "launch" as const,
      executable: executables[n % 4 === 3 ? 3 : n % 3],
      slots: n % 2 === 0 ? [1, 0] : [0, 1],
      symbols: [],
    }));
    const list = device.prepare(commands);
    for (let n = 0; n < 50; n++) device.submit(list, [a, b], []);
    const result = new Float32Array((await device.read(a, 0, 4000)).buffer);
    expect(result[0]).toBe(400 * 50);
    await new Promise((resolve) => setTimeout(resolve, 20));
    device.submit(list, [a, b], []);
    expect(new Float32Array((await device.read(a, 0, 4)).buffer)[0]).toBe(400 * 51);
    await device.close();
  });

  test("a program without code leaves those beside it compilable", async () => {
    const device = await makeDevice();
    const [out, x] = [param("out", "float32", 8), param("x", "float32", 8)];
    const unbound = store(out, 0, load(x, loopAtom("nowhere", 8)));
    const bad = makeProgram("bad", [out, x], [{ atom: loopAtom("i", 1), grain: 1, body: [unbound] }]);
    const good = elementwise("neg", ["float32"], 16, 1);
    await expect(device.compile([good, bad])).rejects.toThrow("nowhere is not bound");
    await agree(device, good, { x: noise(16) });
    await device.close();
  });

  test("sleeping threads use no time", async () => {
    const device = await makeDevice({ threads: 3 });
    await agree(device, increments(1000, 1, 1), { x: noise(1000) });
    await new Promise((resolve) => setTimeout(resolve, 10));
    const before = process.cpuUsage();
    await new Promise((resolve) => setTimeout(resolve, 300));
    const { user, system } = process.cpuUsage(before);
    expect(user + system).toBeLessThan(60_000);
    await device.close();
  });

  test("copies, timing, scratch between phases", async () => {
    const device = await makeDevice({ threads: 2 });
    const size = 50;
    const [out, x] = [param("out", "float32", size), param("x", "float32", size)];
    const middle = makeBuffer("middle", "float32", size, "scratch");
    const [i, j] = [loopAtom("i", size), loopAtom("j", size)];
    const program = makeProgram(
      "two",
      [out, x],
      [
        { atom: i, grain: 4, body: [store(middle, i, scalar("add", load(x, i), load(x, i)))] },
        { atom: j, grain: 4, body: [store(out, j, load(middle, addIndex(size - 1, mulIndex(j, -1))))] },
      ],
      { scratch: [middle] },
    );
    await agree(device, program, { x: noise(size) });
    const [executable] = await device.compile([program]);
    const buffers = [0, 1, 2, 3].map(() => device.allocate(size * 4));
    device.write(buffers[1], encodeElements(noise(size), "float32"));
    const list = device.prepare([
      { kind: "launch", executable, slots: [0, 1, 2], symbols: [] },
      { kind: "copy", from: 0, to: 3, bytes: size * 4 },
    ]);
    const times = await device.submitTimed(list, buffers, []);
    expect(times).toHaveLength(2);
    expect(times.every((t) => t > 0 && t < 1e9)).toBe(true);
    expect(await device.read(buffers[3], 0, size * 4)).toEqual(await device.read(buffers[0], 0, size * 4));
  });

  test("a phase's extent may be a symbol", async () => {
    const device = await makeDevice({ threads: 2 });
    const n = symbolAtom("m", 1, 20);
    const [out, x] = [param("out", "float32", toIndex(n)), param("x", "float32", toIndex(n))];
    const i = loopAtom("i", n);
    const doubled = makeProgram(
      "twice",
      [out, x],
      [{ atom: i, grain: 3, body: [store(out, i, scalar("add", load(x, i), load(x, i)))] }],
      { symbols: [n] },
    );
    for (const value of [1, 7, 20]) await agree(device, doubled, { x: noise(value) }, { m: value });
  });

  test("mistakes are refused in sentences", async () => {
    const device = await makeDevice();
    const [executable] = await device.compile([add(20, 4)]);
    const buffer = device.allocate(80);
    const launch = { kind: "launch" as const, executable, slots: [0, 0, 1], symbols: [] };
    const list = device.prepare([launch]);
    expect(() => device.submit(list, [buffer], [])).toThrow("slot 1 has no buffer");
    expect(() => device.submit(list, [buffer, device.allocate(79)], [])).toThrow(
      "slot 1 needs 80 bytes, its buffer has 79",
    );
    expect(() => device.prepare([{ ...launch, slots: [0] }])).toThrow(
      "command 0, kernel e_20: 1 slots for 3 buffers",
    );
    expect(() => device.write(buffer, new Uint8Array(81))).toThrow(
      "write of bytes 0 to 81 of a buffer of 80 bytes",
    );
    await expect(device.read(buffer, 4, 80)).rejects.toThrow("read of bytes 4 to 84");
    device.release(buffer);
    device.release(buffer);
    expect(() => device.submit(list, [buffer, buffer], [])).toThrow(
      "a buffer of 80 bytes is used after its release",
    );
    expect(() => device.allocate(-1)).toThrow("a buffer cannot have -1 bytes");
    const elsewhere = makeProgram("big", [param("x", "float32", 1)], [], {
      localBytes: 0,
      flops: toIndex(0),
    });
    expect(() => device.prepare([{ ...launch, executable: { program: elsewhere } }])).toThrow(
      "compiled by another device",
    );
  });

  test("a workspace that cannot be had is a failure of that kernel, not of the process", async () => {
    const device = await makeDevice({ threads: 2 });
    const greedy = { ...increments(100, 1, 1), name: "greedy", localBytes: 2 ** 52 };
    const [executable] = await device.compile([greedy]);
    const buffers = [device.allocate(400), device.allocate(400)];
    device.submit(device.prepare([{ kind: "launch", executable, slots: [0, 1], symbols: [] }]), buffers, []);
    await expect(device.idle()).rejects.toThrow(`kernel greedy: no memory is left for its ${2 ** 52} bytes`);
    await device.idle();
    await agree(device, increments(100, 1, 1), { x: noise(100) });
  });

  test("memory is counted, reused, and flat for buffers that nobody holds", async () => {
    const device = await makeDevice({ threads: 1 });
    const first = device.allocate(1 << 20);
    expect(device.bytesInUse).toBe(1 << 20);
    device.write(first, new Uint8Array([42]));
    device.release(first);
    expect(device.bytesInUse).toBe(0);
    const second = device.allocate((1 << 20) - 100);
    expect((await device.read(second, 0, 1))[0]).toBe(42);
    const before = process.memoryUsage().rss;
    for (let n = 0; n < 2000; n++) device.write(device.allocate(1 << 20), new Uint8Array(4096));
    expect(process.memoryUsage().rss - before).toBeLessThan(500 << 20);
  });
});
