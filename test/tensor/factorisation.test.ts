// What factorisations promise beyond PyTorch's reference cases: their laws on random shapes, ranks and sizes, what
// singular and ill-conditioned matrices give, messages, and that a step is compiled once however often it is taken.

import { beforeEach, describe, expect, it } from "vitest";
import { getDevice } from "../../src/engine/devices.js";
import { fuse } from "../../src/fuse/fuse.js";
import { normalise } from "../../src/graph/normalise.js";
import { grad, setDefaultDevice, Tensor } from "../../src/index.js";
import { printKernel } from "../../src/kernel/print.js";
import type { DType } from "../../src/scalar/dtype.js";

beforeEach(() => setDefaultDevice("interpreter"));

/** Elements in (-1, 1) from a fixed sequence. */
function random(shape: readonly number[], { seed = 1, dtype = "float32" as DType } = {}): Tensor {
  let state = seed;
  const values = Float64Array.from({ length: shape.reduce((n, d) => n * d, 1) }, () => {
    state = (state * 1103515245 + 12345) % 2147483648;
    return (state / 2147483648) * 2 - 1;
  });
  return Tensor.from(values, { shape, dtype });
}

const unit = (n: number): Tensor => Tensor.arange(n).unsqueeze(0).eq(Tensor.arange(n).unsqueeze(1)).float32();
const largest = async (x: Tensor): Promise<number> => (x.size === 0 ? 0 : Number(await x.abs().max().item()));
const numbers = async (x: Tensor): Promise<number[]> => Array.from((await x.data()) as Float32Array);

/** Largest distance of columns from being orthonormal. */
const skewness = (q: Tensor): Promise<number> =>
  largest(
    q
      .transpose()
      .matmul(q)
      .sub(unit(q.sizeAt(-1)).cast(q.dtype)),
  );

const SHAPES: readonly (readonly number[])[] = [
  [1, 1],
  [4, 4],
  [6, 3],
  [2, 5],
  [2, 3, 4, 3],
  [7, 1],
  [1, 7],
  [0, 3],
  [3, 0],
  [0, 2, 2],
  [9, 8],
];

const MATRICES: readonly (readonly [string, () => Tensor])[] = [
  ...SHAPES.map((shape): [string, () => Tensor] => [`random [${shape}]`, () => random(shape)]),
  ["zeros [3, 2]", () => Tensor.zeros([3, 2])],
  ["zeros [3, 3]", () => Tensor.zeros([3, 3])],
  ["rank one [4, 3]", () => random([4, 1]).matmul(random([1, 3], { seed: 2 }))],
  ["rank two [5, 5]", () => random([5, 2]).matmul(random([2, 5], { seed: 2 }))],
  ["equal singular values [4, 4]", () => unit(4).flip(0)],
  ["large [3, 3]", () => random([3, 3]).mul(1e30)],
  ["small [3, 3]", () => random([3, 3]).mul(1e-30)],
  ["graded [4, 4]", () => random([4, 4]).mul(Tensor.from([1, 1e-3, 1e-6, 1e-9]))],
];

describe.each(MATRICES)("%s", (_, make) => {
  const tolerance = 3e-6;
  /** How far a product is from the matrix, by the matrix's size. */
  const distance = async (product: Tensor, a: Tensor): Promise<number> =>
    (await largest(product.sub(a))) / ((await largest(a)) || 1);

  it("is P L U", async () => {
    const a = make();
    const { P, L, U } = a.lu();
    expect(await distance(P.matmul(L).matmul(U), a)).toBeLessThan(tolerance);
    expect(await largest(L)).toBeLessThanOrEqual(1);
    expect(await largest(L.triu(1))).toBe(0);
    expect(await largest(U.tril(-1))).toBe(0);
  });

  it.each(["reduced", "complete"] as const)("is Q R, %s", async (mode) => {
    const a = make();
    const { Q, R } = a.qr({ mode });
    expect(await distance(Q.matmul(R), a)).toBeLessThan(tolerance);
    expect(await skewness(Q)).toBeLessThan(tolerance);
    expect(await largest(R.tril(-1))).toBe(0);
  });

  it.each([true, false])("is U S V^T, full matrices %s", async (fullMatrices) => {
    const a = make();
    const { U, S, Vh } = a.svd({ fullMatrices });
    const k = S.sizeAt(-1);
    const product = U.narrow(-1, 0, k)
      .mul(S.unsqueeze(-2))
      .matmul(Vh.narrow(-2, 0, k));
    expect(await distance(product, a)).toBeLessThan(tolerance);
    expect(await skewness(U)).toBeLessThan(tolerance);
    expect(await skewness(Vh.transpose())).toBeLessThan(tolerance);
    const steps = k < 2 ? S : S.narrow(-1, 0, k - 1).sub(S.narrow(-1, 1, k - 1));
    expect((await numbers(steps)).every((d) => d >= 0)).toBe(true);
    expect(await distance(a.svdvals(), S)).toBeLessThan(tolerance);
  });

  it("times its transpose is V W V^T", async () => {
    const a = make();
    const gram = a.matmul(a.transpose());
    const finite = (await numbers(gram)).every(Number.isFinite);
    if (!finite) return;
    const { eigenvalues: w, eigenvectors: v } = gram.eigh();
    expect(await distance(v.mul(w.unsqueeze(-2)).matmul(v.transpose()), gram)).toBeLessThan(tolerance);
    expect(await skewness(v)).toBeLessThan(tolerance);
  });

  it("has a pseudoinverse: A P A is A", async () => {
    const a = make();
    const rtol = 1e-5;
    expect(await distance(a.matmul(a.pinv({ rtol })).matmul(a), a)).toBeLessThan(1e-4);
  });
});

describe("ill-conditioned matrices", () => {
  const hilbert = (n: number, dtype: DType): Tensor =>
    Tensor.from(
      Float64Array.from({ length: n * n }, (_, i) => 1 / (1 + Math.floor(i / n) + (i % n))),
      { shape: [n, n], dtype },
    );

  it("have inverses, determinants and condition numbers as exact as their condition lets them be", async () => {
    const h = hilbert(5, "float64");
    const first = [25, -300, 1050, -1400, 630];
    const row = await numbers(h.inv().select(0, 0));
    // A condition of 5e5 costs 6 of 16 digits.
    for (const [i, x] of row.entries()) expect(Math.abs(x / first[i] - 1)).toBeLessThan(1e-10);
    expect(Math.abs(Number(await h.det().item()) / 3.749295132515087e-12 - 1)).toBeLessThan(1e-10);
    expect(Math.abs(Number(await h.cond().item()) / 476607.25024172 - 1)).toBeLessThan(1e-9);
    expect(await numbers(h.matrixRank())).toEqual([5]);
  });

  it("keep small residuals and orthogonal factors where the solution is lost", async () => {
    const h = hilbert(10, "float32");
    const b = h.matmul(Tensor.ones([10, 1]));
    expect(await largest(h.matmul(h.solve(b)).sub(b))).toBeLessThan(1e-5);
    const { Q, R } = h.qr();
    expect(await skewness(Q)).toBeLessThan(3e-6);
    expect(await largest(Q.matmul(R).sub(h))).toBeLessThan(1e-6);
    // Condition 1.6e13: of ten singular values float32 sees six.
    const s = await numbers(h.svdvals());
    expect(s[0]).toBeCloseTo(1.7519196702651778, 5);
    expect(s[5]).toBeCloseTo(4.7297e-6, 7);
  });
});

describe("singular and indefinite matrices", () => {
  const singular = Tensor.from([
    [1, 2],
    [2, 4],
  ]);

  it("have no finite solution or inverse", async () => {
    const x = await numbers(singular.solve(Tensor.from([1, 1])));
    expect(x.some(Number.isFinite)).toBe(false);
    expect((await numbers(Tensor.zeros([3, 3]).inv())).some(Number.isFinite)).toBe(false);
    expect(
      (await numbers(Tensor.zeros([2, 2]).solveTriangular(unit(2), { upper: true }))).some(Number.isFinite),
    ).toBe(false);
  });

  it("have the determinant 0, whose gradient is the cofactors", async () => {
    expect(Number(await singular.det().item())).toBeCloseTo(0, 10);
    const cofactors = await numbers(grad((a: Tensor) => a.det())(singular));
    for (const [i, c] of [4, -2, -2, 1].entries()) expect(cofactors[i]).toBeCloseTo(c, 4);
  });

  it("have a Cholesky factor of NaN from the column on that is not positive", async () => {
    const a = Tensor.from([
      [4, 2, 2],
      [2, 1, 0],
      [2, 0, 5],
    ]);
    expect(await numbers(a.cholesky())).toEqual([2, 0, 0, 1, Number.NaN, 0, 1, Number.NaN, Number.NaN]);
  });

  it("give NaN for NaN", async () => {
    const a = Tensor.from([
      [1, Number.NaN],
      [2, 3],
    ]);
    for (const y of [a.det(), a.inv(), a.svdvals(), a.matrixExp(), a.eigh({ uplo: "U" }).eigenvalues])
      expect((await numbers(y)).some(Number.isNaN)).toBe(true);
  });
});

describe("arguments", () => {
  it("are checked", () => {
    const a = random([3, 4]);
    expect(() => a.inv()).toThrow(
      "inv: needs square matrices [.., n, n] of known sizes, got Tensor(float32[3, 4])",
    );
    expect(() => random([3]).svd()).toThrow("svd: needs matrices [.., m, n]");
    expect(() => random([3, 3]).solve(random([4, 2]))).toThrow(
      "solve: Tensor(float32[3, 3]) needs right sides [.., 3, m]",
    );
    expect(() => random([2, 3, 3]).solve(random([5, 3, 1]))).toThrow("do not broadcast");
    expect(() => a.lstsq(random([4, 1]))).toThrow("lstsq: ");
    expect(() => random([2, 2]).matrixPower(0.5)).toThrow("must be an integer");
    expect(() => a.matrixNorm(3)).toThrow("matrixNorm: there is");
    expect(() => a.householderProduct(random([2]))).toThrow("householderProduct: ");
  });

  it("of integers are computed in floats, small floats in float32", async () => {
    expect(
      await Tensor.from(
        [
          [2, 1],
          [1, 1],
        ],
        { dtype: "int32" },
      )
        .inv()
        .tolist(),
    ).toEqual([
      [1, -1],
      [-1, 2],
    ]);
    const half = random([6, 6])
      .matmul(random([6, 6]).transpose())
      .add(unit(6))
      .half();
    const wide = half.float32();
    expect(half.cholesky().dtype).toBe("float16");
    expect(await numbers(half.cholesky())).toEqual(await numbers(wide.cholesky().half()));
  });
});

it("a system of two dtypes is solved in the wider one", async () => {
  const [a, b] = [random([4, 4]), random([4, 2], { dtype: "float64" })];
  expect(await numbers(a.solve(b))).toEqual(await numbers(a.cast("float64").solve(b)));
});

describe("a step", () => {
  /** Different kernels that computing these takes, by their text. */
  async function differentKernels(results: readonly Tensor[]): Promise<number> {
    const { target } = await getDevice("interpreter");
    const { kernels } = fuse(normalise(results.map((x) => x.node)).rebuild().roots, target);
    return new Set(kernels.map(({ kernel }) => printKernel(kernel))).size;
  }

  it.each([
    ["lu", (a: Tensor) => Object.values(a.lu())],
    ["cholesky", (a: Tensor) => [a.cholesky()]],
    ["qr", (a: Tensor) => Object.values(a.qr())],
    ["solve", (a: Tensor) => [a.solve(Tensor.ones([a.sizeAt(0), 2]))]],
    ["svdvals", (a: Tensor) => [a.svdvals()]],
    ["matrixExp", (a: Tensor) => [a.matrixExp()]],
  ] as const)("of %s is the same few kernels however many there are", async (_, compute) => {
    const [few, many] = [
      await differentKernels(compute(random([8, 8]))),
      await differentKernels(compute(random([32, 32]))),
    ];
    expect(many).toBeLessThan(few + 4);
    expect(many).toBeLessThan(30);
  });
});
