// The engine over a device with WebGPU's limits: results equal the interpreter's, failures reject and pass.

import { afterEach, describe, expect, it } from "vitest";
import { getDevice, readNode, realizeNodes, registerDevice, storeBytes } from "../../src/engine/engine.js";
import { type BoundVariable, jit, setDefaultDevice, Tensor, Variable } from "../../src/index.js";
import * as g from "../../src/graph/node.js";
import { decodeElements, elementWriter } from "../../src/scalar/convert.js";
import {
  bytesOf,
  type DType,
  DTYPES,
  isBigInteger,
  isFloat,
  isInteger,
  kindOf,
  type Scalar,
} from "../../src/scalar/dtype.js";
import { matmul, relu, softmax } from "../schedule/workloads.js";
import { LimitedDevice } from "./limited.js";

const device = new LimitedDevice();
registerDevice("limited", async () => device);
afterEach(() => {
  device.faults = {};
});

const EMULATED = DTYPES.filter((dtype) => dtype !== "float64");
const INTEGERS = EMULATED.filter(isInteger);
const FLOATS = EMULATED.filter(isFloat);

/** Values at the corners of a dtype and in between. */
function values(dtype: DType, length: number, seed = 0): Scalar[] {
  const bits = BigInt(bytesOf(dtype) * 8);
  return Array.from({ length }, (_, i): Scalar => {
    const n = (i * 37 + seed * 11) % 101;
    if (dtype === "bool") return n % 3 === 0;
    if (isFloat(dtype)) return (n - 50) / 8;
    const wild = (BigInt(n) * 0x9e3779b97f4a7c15n + BigInt(seed)) >> BigInt(n % 64);
    const held = n % 5 === 0 ? BigInt(n % 10) : wild;
    const wrapped =
      kindOf(dtype) === "unsigned" ? BigInt.asUintN(Number(bits), held) : BigInt.asIntN(Number(bits), held);
    return isBigInteger(dtype) ? wrapped : Number(wrapped);
  });
}

function tensor(dtype: DType, shape: readonly number[], seed = 0): g.Node {
  const length = shape.reduce((n, d) => n * d, 1);
  const bytes = new Uint8Array(length * bytesOf(dtype));
  const write = elementWriter(dtype);
  const view = new DataView(bytes.buffer);
  for (const [i, value] of values(dtype, length, seed).entries()) write(view, i * bytesOf(dtype), value);
  return storeBytes(bytes, dtype, shape);
}

/** Both devices on graphs made anew: leaves move to the device that first uses them. */
async function compare(make: () => g.Node, tolerance = 0): Promise<void> {
  const root = make();
  const actual = decodeElements(await readNode(root, { device: "limited" }), root.dtype);
  const expected = decodeElements(await readNode(make(), { device: "interpreter" }), root.dtype);
  expect(actual.length).toBe(expected.length);
  for (const [i, x] of expected.entries()) {
    const y = actual[i];
    if (Object.is(x, y)) continue;
    const near =
      typeof x === "number" && typeof y === "number" && Math.abs(x - y) <= tolerance * (1 + Math.abs(x));
    if (!near) throw new Error(`element ${i} is ${y}, should be ${x}`);
  }
}

describe("elementwise", () => {
  for (const dtype of EMULATED) {
    it(`${dtype}: arithmetic, order, choice`, async () => {
      const shape = [37];
      const [x, y] = [1, 2].map((seed) => () => tensor(dtype, shape, seed));
      for (const op of ["add", "mul", "max", "min"] as const) await compare(() => g.binary(op, x(), y()));
      for (const op of ["lt", "le", "eq", "ne"] as const) await compare(() => g.binary(op, x(), y()));
      await compare(() => g.where(g.binary("lt", x(), y()), x(), y()));
      if (dtype === "bool") return;
      await compare(() => g.binary("sub", x(), y()));
      await compare(() => g.unary("neg", x()));
      await compare(() => g.unary("abs", x()));
    });
  }
  for (const dtype of INTEGERS) {
    it(`${dtype}: division, bits, shifts`, async () => {
      const [x, y] = [3, 4].map((seed) => () => tensor(dtype, [60], seed));
      for (const op of ["idiv", "mod", "and", "or", "xor"] as const)
        await compare(() => g.binary(op, x(), y()));
      const amounts = () => g.binary("mod", y(), g.constNode(isBigInteger(dtype) ? 67n : 67, dtype, [60]));
      for (const op of ["shl", "shr"] as const) await compare(() => g.binary(op, x(), amounts()));
      for (const by of [7, 100]) {
        const divisor = (): g.Node => g.constNode(isBigInteger(dtype) ? BigInt(by) : by, dtype, [60]);
        await compare(() => g.binary("idiv", x(), divisor()));
        await compare(() => g.binary("mod", x(), divisor()));
      }
      await compare(() => g.unary("not", x()));
    });
  }
  for (const from of EMULATED) {
    it(`${from}: conversions`, async () => {
      for (const to of EMULATED) {
        await compare(() => g.castNode(tensor(from, [53], 5), to));
      }
    });
  }
  it("large and strange floats become 64-bit integers by saturation", async () => {
    const strange = [
      Number.NaN,
      Infinity,
      -Infinity,
      1e30,
      -1e30,
      2 ** 63,
      -(2 ** 63),
      2 ** 40 + 2 ** 20,
      -3.7,
      0.5,
    ];
    const bytes = new Uint8Array(Float32Array.from(strange).buffer);
    for (const to of ["int64", "uint64"] as const) {
      await compare(() => g.castNode(storeBytes(bytes.slice(), "float32", [strange.length]), to));
    }
  });
  for (const dtype of FLOATS) {
    it(`${dtype}: transcendental`, async () => {
      for (const op of ["exp", "sin", "tanh"] as const) {
        await compare(() => g.unary(op, tensor(dtype, [33])), dtype === "float32" ? 1e-6 : 0.07);
      }
    });
  }
});

describe("reductions and contractions", () => {
  it("sums", async () => {
    await compare(() => g.reduceNode(tensor("float32", [7, 130]), "add", [1]), 1e-5);
    await compare(() => g.reduceNode(tensor("float32", [7, 130]), "max", [0]));
    await compare(() => g.reduceNode(tensor("int64", [9, 13]), "add", [1]));
    await compare(() => g.reduceNode(tensor("uint64", [9, 13]), "max", [0]));
    await compare(() => g.reduceNode(tensor("int64", [5000]), "add", [0]));
    await compare(() => g.reduceNode(tensor("float32", [200_000]), "add", [0]), 1e-4);
  });
  it("matmul", async () => {
    await compare(() => relu(matmul(tensor("float32", [33, 17]), tensor("float32", [17, 29]))), 1e-5);
    await compare(() => matmul(tensor("int64", [5, 7]), tensor("int64", [7, 3])));
  });
  it("softmax", async () => {
    await compare(() => softmax(tensor("float32", [9, 40]), 1), 1e-5);
    await compare(() => softmax(tensor("float32", [3000]), 0), 1e-5);
  });
  it("gather and scatter by 64-bit indices", async () => {
    const index = (): g.Node => g.binary("mod", tensor("int64", [6, 4], 3), g.constNode(9n, "int64", [6, 4]));
    await compare(() => g.gather(tensor("float32", [7, 4]), index(), 0));
    await compare(
      () => g.scatterAdd(tensor("float32", [7, 4]), index(), tensor("float32", [6, 4], 2), 0),
      1e-5,
    );
    // Far outside: nothing is read.
    await compare(() => g.gather(tensor("int64", [7, 4]), tensor("int64", [6, 4], 3), 0));
  });
});

describe("more buffers than a kernel may have", () => {
  const tensors = (): g.Node[] => Array.from({ length: 40 }, (_, i) => tensor("float32", [3, 5], i));
  it("sum of 40", () => compare(() => tensors().reduce((sum, x) => g.binary("add", sum, x)), 1e-5));
  it("concatenation of 40", () => compare(() => g.concat(tensors(), 1)));
  it("stack of 40", () =>
    compare(() =>
      g.concat(
        tensors().map((x) => g.reshape(x, [1, 3, 5])),
        0,
      ),
    ));
  it("40 results at once", async () => {
    const roots = tensors().map((x) => g.unary("neg", x));
    await realizeNodes(roots, { device: "limited" });
    const last = decodeElements(await readNode(roots[39], { device: "limited" }), "float32");
    expect(last).toEqual(values("float32", 15, 39).map((x) => -x));
  });
});

describe("43. elements narrower than a word", () => {
  for (const dtype of [
    "bool",
    "int8",
    "uint8",
    "int16",
    "uint16",
    "float16",
    "bfloat16",
    "float8e4m3",
  ] as const) {
    it(`${dtype} at odd sizes and offsets`, async () => {
      for (const size of [1, 2, 3, 5, 31, 64, 67]) {
        await compare(() => g.contiguous(g.flip(tensor(dtype, [size]), [0])));
      }
      await compare(() =>
        g.contiguous(
          g.shrink(tensor(dtype, [5, 9]), [
            [1, 4],
            [3, 8],
          ]),
        ),
      );
      await compare(() =>
        g.pad(tensor(dtype, [3, 5]), [
          [1, 0],
          [2, 1],
        ]),
      );
      await compare(() =>
        g.concat(
          [1, 3, 2].map((n) => tensor(dtype, [n, 3], n)),
          0,
        ),
      );
      await compare(() =>
        g.concat(
          [1, 3, 2].map((n) => tensor(dtype, [3, n], n)),
          1,
        ),
      );
      await compare(() => g.contiguous(g.permute(tensor(dtype, [7, 5]), [1, 0])));
      const ones = (): g.Node => g.castNode(g.constNode(1, "float32", [2, 3]), dtype);
      await compare(() =>
        g.assign(g.contiguous(tensor(dtype, [4, 5])), ones(), [
          {
            op: "shrink",
            ranges: [
              [1, 3],
              [1, 4],
            ],
          },
        ]),
      );
    });
  }
});

describe("failures", () => {
  const simple = (size: number): g.Node => g.unary("neg", tensor("float32", [size]));
  it("float64 is refused by name", async () => {
    const root = g.unary("sqrt", g.castNode(tensor("float32", [4]), "float64"));
    await expect(readNode(root, { device: "limited" })).rejects.toThrow(
      /float64 is not supported by device limited: kernel e_4 .*(cast|sqrt)/,
    );
  });
  it("a kernel that does not compile rejects with its name, and the next one runs", async () => {
    device.faults = { compile: "e_11" };
    await expect(readNode(simple(11), { device: "limited" })).rejects.toThrow(/kernel e_11 .*asked for/);
    device.faults = {};
    await compare(() => simple(11));
  });
  it("a kernel that fails while running rejects with its name, and the next one runs", async () => {
    device.faults = { run: "e_12" };
    await expect(readNode(simple(12), { device: "limited" })).rejects.toThrow(/kernel e_12 .*lost/);
    device.faults = {};
    await compare(() => simple(12));
  });
  it("a buffer over 128 MiB rejects", async () => {
    const huge = g.contiguous(g.expand(tensor("float32", [1]), [40 * 2 ** 20]));
    await expect(readNode(huge, { device: "limited" })).rejects.toThrow(/128|134217728/);
    await compare(() => simple(13));
  });
});

describe("the queue", () => {
  it("two writes, then a read: the read sees the second", async () => {
    const limited = await getDevice("limited");
    const buffer = limited.allocate(6);
    expect(buffer.bytes).toBe(8);
    limited.write(buffer, Uint8Array.of(1, 2, 3, 4, 5, 6));
    const reading = limited.read(buffer, 0, 6);
    limited.write(buffer, Uint8Array.of(9, 9, 9, 9));
    expect([...(await limited.read(buffer, 1, 4))]).toEqual([9, 9, 9, 5]);
    expect([...(await reading)]).toEqual([1, 2, 3, 4, 5, 6]);
  });
  it("bytes written are taken at once", async () => {
    const buffer = device.allocate(4);
    const bytes = Uint8Array.of(1, 2, 3, 4);
    device.write(buffer, bytes);
    bytes.fill(0);
    expect([...(await device.read(buffer, 0, 4))]).toEqual([1, 2, 3, 4]);
  });
  it("nothing has happened when submit returns", async () => {
    const turns = device.turns;
    const pending = readNode(g.unary("neg", tensor("int32", [9])), { device: "limited" });
    expect(device.turns).toBe(turns);
    await pending;
    expect(device.turns).toBeGreaterThan(turns);
  });
});

describe("captured steps", () => {
  it("replay with state, a variable, and all work queued", async () => {
    setDefaultDevice("limited");
    try {
      const count = Tensor.from([1n, 2n, 3n], { dtype: "int64" });
      const step = jit((x: Tensor) => {
        count.assign(count.add(1n));
        return count.mul(x.cast("int64")).sum();
      });
      const results: unknown[] = [];
      for (const by of [1, 2, 3]) results.push(await (await step(Tensor.from([by, by, by]))).item());
      expect(results.map(Number)).toEqual([9, 24, 45]);
      expect(Array.from((await count.data()) as BigInt64Array)).toEqual([4n, 5n, 6n]);
      const n = new Variable("limited_n", 1, 8);
      const prefix = jit((x: Tensor, length: BoundVariable) => x.shrink([[0, length.variable.dim]]).sum());
      for (const length of [1, 5, 8]) {
        const sum = await prefix(Tensor.arange(8), n.bind(length));
        expect(Number(await sum.item())).toBe((length * (length - 1)) / 2);
      }
    } finally {
      setDefaultDevice("interpreter");
    }
  });
});
