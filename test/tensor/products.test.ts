// Einstein sums against loops over all places, their order, their errors; mixed precision.

import { beforeEach, describe, expect, it } from "vitest";
import {
  autocast,
  availableDevices,
  type DType,
  grad,
  jit,
  nn,
  setDefaultDevice,
  Tensor,
} from "../../src/index.js";
import { operationsOf } from "../corners/corner.js";

beforeEach(() => setDefaultDevice("interpreter"));
const numbers = async (x: Tensor): Promise<number[]> => Array.from((await x.data()) as Float32Array);
const given = (...shape: number[]): Tensor => {
  const size = shape.reduce((n, d) => n * d, 1);
  return Tensor.from(
    Float32Array.from({ length: size }, (_, i) => ((i * 7) % 5) - 2),
    { shape },
  );
};

/** The sum over all places of all names. */
function bruteForce(
  inputs: readonly string[],
  output: string,
  data: readonly number[][],
  sizes: Record<string, number>,
) {
  const names = [...new Set(inputs.join(""))];
  const at = (labels: string, place: Record<string, number>): number =>
    [...labels].reduce((flat, name) => flat * sizes[name] + place[name], 0);
  const result = new Array<number>([...output].reduce((n, name) => n * sizes[name], 1)).fill(0);
  const total = names.reduce((n, name) => n * sizes[name], 1);
  for (let i = 0; i < total; i++) {
    const place: Record<string, number> = {};
    let rest = i;
    for (const name of names) {
      place[name] = rest % sizes[name];
      rest = Math.floor(rest / sizes[name]);
    }
    result[at(output, place)] += inputs.reduce((p, labels, k) => p * data[k][at(labels, place)], 1);
  }
  return result;
}

describe("einsum", () => {
  it("is the sum over all places, for random equations", async () => {
    let state = 7;
    const random = (below: number): number => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      return Math.floor((state / 2 ** 32) * below);
    };
    const sizes: Record<string, number> = { a: 2, b: 3, c: 1, d: 2, e: 4 };
    for (let round = 0; round < 150; round++) {
      const inputs = Array.from({ length: 1 + random(4) }, () =>
        Array.from({ length: random(4) }, () => "abcde"[random(5)]).join(""),
      );
      const known = [...new Set(inputs.join(""))];
      const output = known
        .filter(() => random(2) === 0)
        .sort(() => random(3) - 1)
        .join("");
      const operands = inputs.map((labels) => given(...[...labels].map((name) => sizes[name])));
      const data = await Promise.all(operands.map(numbers));
      const equation = `${inputs.join(",")}->${output}`;
      const found = await numbers(Tensor.einsum(equation, ...operands));
      expect({ equation, found: found.map((x) => x + 0) }).toEqual({
        equation,
        found: bruteForce(inputs, output, data, sizes).map((x) => x + 0),
      });
    }
  });

  it("joins operands in the order of the fewest operations", async () => {
    const [a, b, c] = [given(2, 50), given(50, 50), given(50, 1)];
    // From the left 2 * 50 * 50 + 2 * 50, not 50 * 50 for the right pair and 2 * 50: the vector first.
    expect(await operationsOf("interpreter", Tensor.einsum("ij,jk,kl->il", a, b, c))).toBeLessThan(
      2 * (50 * 50 + 100) + 60,
    );
    const chain = Array.from({ length: 12 }, (_, i) => given(i === 0 ? 1 : 20, 20));
    const letters = "abcdefghijklm";
    const equation = `${chain.map((_, i) => letters.slice(i, i + 2)).join(",")}->am`;
    expect(await operationsOf("interpreter", Tensor.einsum(equation, ...chain))).toBeLessThan(2.2 * 12 * 400);
  });

  it.each([
    ["ij,jk->ik->i", "more than one ->"],
    ["ij", "names the axes of 1 operands, but 2 are given"],
    ["ij,jk->iz", "has z in the result, which no operand has"],
    ["ij,jk->ii", "has i twice in the result"],
    ["i,jk", "names 1 axes of operand 0"],
    ["ij,j1", 'has "1"; axes are letters'],
    ["i......,jk", 'has "..." twice'],
    ["ijk,jk", "names 3 axes of operand 0"],
    ["ij,ik->jk", 'i in "ij,ik->jk" is 2 in one operand and 3'],
    ["ii,jk", "i is 2 and 3"],
  ])("refuses %s: %s", (equation, reason) => {
    expect(() => Tensor.einsum(equation, given(2, 3), given(3, 4))).toThrow(reason);
  });
});

it("products say what does not fit", () => {
  const [x, y] = [given(2, 3), given(2, 3)];
  expect(() => x.mm(y)).toThrow("matmul");
  expect(() => x.bmm(y)).toThrow("bmm: ");
  expect(() => x.tensordot(y, 1)).toThrow("tensordot: axis 1");
  expect(() => x.tensordot(y, 3)).toThrow("do not both have 3 axes");
  expect(() => x.outer(y)).toThrow("must both be vectors");
  expect(() => x.cross(given(2, 2))).toThrow("must have 3 elements");
  expect(() => Tensor.multiDot([x])).toThrow("two matrices at least");
  expect(() => Tensor.multiDot([x, given(2, 2, 2)])).toThrow("is no matrix");
  expect(() => x.bilinear(y, given(4, 3, 2))).toThrow("need a weight [out, in, in]");
});

describe("autocast", () => {
  it("rounds the operands of products and gives small results, whose sums are wide", async () => {
    const x = Tensor.full([1, 2], 1 + 2 ** -9).contiguous();
    const product = autocast("bfloat16", () => x.matmul(x.T));
    expect(product.dtype).toBe("bfloat16");
    expect(await numbers(product)).toEqual([2]);
    expect(await numbers(x.matmul(x.T))).not.toEqual([2]);
    const ones = Tensor.ones([1, 3000]).contiguous();
    expect(await numbers(autocast("bfloat16", () => ones.matmul(ones.T)))).toEqual([3008]);
  });
  it("leaves other dtypes and other operations alone, and ends with the function, by an error too", () => {
    const wide = Tensor.ones([2, 2], { dtype: "float64" as DType });
    autocast("float16", () => {
      expect(wide.matmul(wide).dtype).toBe("float64");
      expect(given(2, 2).add(1).softmax(-1).dtype).toBe("float32");
      expect(given(1, 1, 3, 3).conv2d(given(1, 1, 2, 2)).dtype).toBe("float16");
      expect(Tensor.einsum("ij,jk", given(2, 2), given(2, 2)).dtype).toBe("float16");
    });
    expect(() => autocast("float16", () => given(2, 3).matmul(given(2, 3)))).toThrow("matmul");
    expect(() => autocast("float16", async () => given(2, 2))).toThrow("is async");
    expect(given(2, 2).matmul(given(2, 2)).dtype).toBe("float32");
  });
  it("trains: weights stay float32, gradients pass through halves, the scale is taken off", async () => {
    const x = given(8, 4).mul(0.25);
    const y = x.sum(1, { keepdim: true });
    const layer = new nn.Linear(4, 1);
    const optimiser = new nn.SGD(nn.parameters(layer), { lr: 0.5 });
    const scaler = new nn.GradScaler({ scale: 1024 });
    const step = jit(() => {
      optimiser.zeroGrad();
      const loss = autocast("float16", () => layer.forward(x)).mseLoss(y);
      scaler.scale(loss).backward();
      scaler.step(optimiser);
      scaler.update();
      return loss;
    });
    const losses: number[] = [];
    for (let i = 0; i < 80; i++) losses.push(Number(await (await step()).item()));
    expect(losses[79]).toBeLessThan(losses[0] / 20);
    expect(layer.weight.dtype).toBe("float32");
    const slope = grad((w: Tensor) =>
      autocast("bfloat16", () => x.matmul(w))
        .float32()
        .sum(),
    );
    expect(slope(given(4, 1)).dtype).toBe("float32");
  });
  it("gives another dtype than the operands' only as float32", () => {
    expect(() => autocast("bfloat16", () => given(2, 2), { results: "float16" })).toThrow(
      'results must be "bfloat16" or "float32"',
    );
  });
});

describe("autocast with float32 results", async () => {
  /** To the nearest bfloat16, ties to even. */
  const rounded = (x: number): number => {
    const bits = new Uint32Array(Float32Array.of(x).buffer)[0];
    const up = 0x7fff + ((bits >>> 16) & 1);
    return new Float32Array(Uint32Array.of(((bits + up) & 0xffff0000) >>> 0).buffer)[0];
  };
  const spread = (count: number, step: number): number[] =>
    Array.from({ length: count }, (_, i) => Math.fround(Math.sin(i * step + 1)));
  const product = (a: readonly number[], b: readonly number[], [m, k, n]: readonly number[]): number[] =>
    Array.from({ length: m * n }, (_, at) => {
      let sum = 0;
      for (let i = 0; i < k; i++)
        sum += rounded(a[Math.floor(at / n) * k + i]) * rounded(b[i * n + (at % n)]);
      return sum;
    });
  const transposed = (x: readonly number[], rows: number): number[] =>
    x.map((_, at) => x[(at % rows) * (x.length / rows) + Math.floor(at / rows)]);
  const farthest = (x: readonly number[], y: readonly number[]): number =>
    Math.max(...x.map((v, i) => Math.abs(v - y[i])));

  it.for(await availableDevices())(
    "rounds operands and nothing else, of gradients too: $name",
    async (device, { skip }) => {
      if (!device.available) skip(device.reason);
      setDefaultDevice(device.name);
      const [m, k, n] = [50, 70, 96];
      const [a, b, g] = [spread(m * k, 0.7), spread(k * n, 0.3), spread(m * n, 1.1)];
      const x = Tensor.from(a).reshape([m, k]).contiguous();
      const y = Tensor.from(b).reshape([k, n]).contiguous();
      const weights = Tensor.from(g).reshape([m, n]).contiguous();
      const multiply = (x: Tensor, y: Tensor): Tensor =>
        autocast("bfloat16", () => x.matmul(y), { results: "float32" });
      const result = multiply(x, y);
      expect(result.dtype).toBe("float32");
      // Products of two numbers of 8 bits are exact in float32; sums of 96 of them, below 50 in all, err by less.
      const close = 1e-4;
      const expected = product(a, b, [m, k, n]);
      expect(farthest(await numbers(result), expected)).toBeLessThan(close);
      expect(farthest(await numbers(x.matmul(y)), expected)).toBeGreaterThan(10 * close);
      const [dx, dy] = grad((x: Tensor, y: Tensor) => multiply(x, y).mul(weights).sum(), [0, 1])(x, y);
      expect(farthest(await numbers(dx), product(g, transposed(b, k), [m, n, k]))).toBeLessThan(close);
      expect(farthest(await numbers(dy), product(transposed(a, m), g, [k, m, n]))).toBeLessThan(close);
    },
  );
});
