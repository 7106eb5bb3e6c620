// Corner cases 39 to 45: symbolic shapes and capture, execution. 42 and 43 are in device/cpu.test.ts and
// devices/limited.test.ts, where caches and narrow elements are.

import { expect } from "vitest";
import type { Executable } from "../../src/device/device.js";
import { getDevice, registerDevice } from "../../src/engine/engine.js";
import { type BoundVariable, jit, setDefaultDevice, Tensor, Variable } from "../../src/index.js";
import { exprsOf, topologicalOrder, visitStatements } from "../../src/kernel/ir.js";
import type { Program } from "../../src/lower/program.js";
import { corner, limited, numbers, operationsOf } from "./corner.js";

const of = (...values: number[]): Tensor => Tensor.from(Float32Array.from(values));

corner(
  39,
  "a variable at its bounds has the same kernel; two values for one name are an error",
  async (device) => {
    const length = new Variable(`length of ${device}`, 1, 6);
    const x = of(1, 2, 3, 4, 5, 6);
    let captures = 0;
    const prefix = jit((y: Tensor, n: BoundVariable) => {
      captures++;
      return y
        .shrink([[0, n.variable.dim]])
        .mul(2)
        .sum();
    });
    const all = [1, 2, 3, 4, 5, 6];
    for (const n of [1, 6, 3]) {
      expect(await numbers(await prefix(x, length.bind(n)))).toEqual([n * (n + 1)]);
    }
    expect(captures).toBeLessThanOrEqual(2);
    const place = new Variable(`place on ${device}`, 0, 5);
    const at = jit((y: Tensor, p: BoundVariable) => y.gather(0, p.variable.tensor.reshape([1])));
    for (const p of [0, 5]) expect(await numbers(await at(x, place.bind(p)))).toEqual([all[p]]);
    expect(() => length.bind(7)).toThrow("must be an integer in [1, 6]");
    expect(() => length.bind(0)).toThrow("must be an integer in [1, 6]");
    const two = jit((_: BoundVariable, __: BoundVariable) => x.shrink([[0, length.dim]]).sum());
    await expect(Promise.resolve().then(() => two(length.bind(2), length.bind(3)))).rejects.toThrow(
      "two values",
    );
  },
);

corner(
  40,
  "captured functions take views, constants, duplicates and containers, and freeze nothing",
  async () => {
    const x = of(0, 1, 2, 3, 4, 5);
    const sum = jit((a: Tensor, b: Tensor, more: { list: Tensor[]; factor: number }) =>
      a.add(b).mul(more.factor).add(more.list[0]).sub(more.list[1]),
    );
    const more = (factor: number) => ({ list: [x.at([2, 4]), Tensor.ones([2])], factor });
    for (const [start, factor] of [
      [0, 2],
      [1, 2],
      [2, 2],
      [0, 3],
      [0, 3],
    ]) {
      const view = x.at([start, start + 2]);
      expect(await numbers(await sum(view, view, more(factor)))).toEqual([
        2 * start * factor + 2 - 1,
        2 * (start + 1) * factor + 3 - 1,
      ]);
    }
    // Another shape is captured anew.
    const total = jit((a: Tensor) => a.sum());
    for (const n of [2, 5, 2, 3, 5])
      expect(await numbers(await total(x.at([0, n])))).toEqual([(n * (n - 1)) / 2]);
    const next = jit((a: Tensor) => a.mul(2));
    let y: Tensor = of(1);
    for (let i = 0; i < 6; i++) y = await next(y);
    expect(await numbers(y)).toEqual([64]);
    const nothing = jit((a: Tensor) => ({ a, n: 3 }));
    for (let i = 0; i < 3; i++) {
      const { a, n } = await nothing(of(i));
      expect([await numbers(a), n]).toEqual([[i], 3]);
    }
  },
);

corner(
  41,
  "writes before a read are seen by it; a failure rejects with its cause, and work goes on",
  async (device) => {
    const x = of(1, 2);
    x.assign(of(3, 4));
    x.at([0, 1]).assign(9);
    expect(await numbers(x)).toEqual([9, 4]);
    const step = jit((value: Tensor) => {
      x.assign(value);
      x.assign(x.mul(2));
    });
    for (let i = 0; i < 3; i++) await step(of(i, i));
    expect(await numbers(x)).toEqual([4, 4]);
    // More memory than there is.
    const huge = Tensor.ones([2 ** 20, 2 ** 24]).contiguous();
    await expect(huge.realize()).rejects.toThrow();
    expect(await numbers(x.add(1))).toEqual([5, 5]);
    if (device !== "limited") return;
    for (const [fault, reason] of [
      [{ compile: "e_" }, "does not compile"],
      [{ run: "e_" }, "was lost"],
    ] as const) {
      limited.faults = fault;
      const y = of(1, 2, 3, 4, 5, 6, 7).mul(fault === undefined ? 1 : Math.random());
      await expect(y.data()).rejects.toThrow(reason);
      limited.faults = {};
      expect(await numbers(of(1).add(1))).toEqual([2]);
    }
  },
);

corner(44, "a kernel larger than the compiler accepts is compiled with less unrolling", async (device) => {
  // What the schedule makes of this kernel is several times as long as the kernel itself.
  const x = Tensor.from(
    Float32Array.from({ length: 37 * 41 }, (_, i) => (i % 7) - 3),
    { shape: [37, 41] },
  );
  const y = Tensor.from(
    Float32Array.from({ length: 41 * 43 }, (_, i) => (i % 5) - 2),
    { shape: [41, 43] },
  );
  const expected = Array.from({ length: 37 * 43 }, (_, place) => {
    const [i, j] = [Math.floor(place / 43), place % 43];
    let sum = 0;
    for (let k = 0; k < 41; k++) sum += (((i * 41 + k) % 7) - 3) * (((k * 43 + j) % 5) - 2);
    return sum;
  });
  expect(await numbers(x.matmul(y))).toEqual(expected);
  const { refused, name } = await picky(device);
  setDefaultDevice(name);
  expect(await numbers(x.matmul(y))).toEqual(expected);
  setDefaultDevice(device);
  // The interpreter and the device with WebGPU's limits run kernels as they are.
  expect(refused.length).toBe(device === "cpu" || device === "wasm" ? 2 : 0);
  // A long expression, unrolled or not, compiles on every device.
  let deep: Tensor = x;
  for (let i = 0; i < 400; i++) deep = deep.mul(i % 2 === 0 ? 1 : -1).add(i % 3);
  expect(await numbers(deep.at(0, [0, 3]))).toEqual(
    await numbers(await onInterpreter(device, deep.at(0, [0, 3]))),
  );
});

/** The device with a compiler that refuses programs of more than 60 expressions. */
async function picky(device: string): Promise<{ name: string; refused: string[] }> {
  const real = await getDevice(device);
  const refused: string[] = [];
  const compile = async (programs: readonly Program[]): Promise<Executable[]> => {
    const large = programs.find((program) => expressionsIn(program) > 60);
    if (large === undefined) return real.compile(programs);
    refused.push(large.name);
    throw new Error(`${large.name} is too large`);
  };
  const name = `picky ${device}`;
  registerDevice(name, async () =>
    Object.assign(Object.create(real), { name, target: { ...real.target }, compile }),
  );
  return { name, refused };
}

function expressionsIn(program: Program): number {
  let count = 0;
  for (const phase of program.phases) {
    visitStatements(phase.body, (s) => {
      count += topologicalOrder(exprsOf(s)).length;
    });
  }
  return count;
}

/** The same elements, computed by the interpreter. */
async function onInterpreter(device: string, x: Tensor): Promise<Tensor> {
  const values = await x.add(0).data({ device: "interpreter" });
  await getDevice(device);
  setDefaultDevice(device);
  return Tensor.from(values);
}

corner(
  45,
  "quantised weights: scales stand outside of the inner sum, and blocks must fit",
  async (device) => {
    const [rows, width, block] = [5, 64, 16];
    const x = Tensor.from(
      Float32Array.from({ length: 2 * width }, (_, i) => (i % 9) - 4),
      { shape: [2, width] },
    );
    const weight = Tensor.from(
      Int8Array.from({ length: rows * width }, (_, i) => (i * 37) % 255),
      { shape: [rows, width] },
    );
    const scales = Tensor.from(
      Float32Array.from({ length: (rows * width) / block }, (_, i) => 2 ** -(i % 4)),
      {
        shape: [rows, width / block],
      },
    );
    const y = x.quantizedLinear(weight, scales);
    const plain = x.matmul(weight.cast("float32").mul(scales.repeatInterleave(block, 1)).T);
    expect(await numbers(y)).toEqual(await numbers(plain));
    // A product and a sum for each weight and row, and not much for the scales.
    expect(await operationsOf(device, y)).toBeLessThan(2 * rows * width * 2 * 1.2);
    expect(() => x.quantizedLinear(weight, Tensor.ones([rows, 5]), { name: "decoder.weight" })).toThrow(
      /decoder\.weight.*64.*5 blocks/,
    );
  },
);
