// Kernels to schedule: small computations through the fuser, and hand-written loop nests.

import type { Target } from "../../src/device/target.js";
import { storeBytes } from "../../src/engine/engine.js";
import { fuse } from "../../src/fuse/fuse.js";
import * as g from "../../src/graph/node.js";
import { normalise } from "../../src/graph/normalise.js";
import type { Kernel } from "../../src/kernel/ir.js";
import { parseKernel } from "../../src/kernel/parse.js";
import { bytesOf, DTYPES, type DType } from "../../src/scalar/dtype.js";

/** A CPU-like target: vectors of so many bytes. */
export const cpuTarget = (vectorBytes: number, vectorRegisters: number, threads: number): Target => ({
  language: "c",
  threads,
  vectorBytes,
  vectorRegisters,
  fma: true,
  dtypes: new Set(DTYPES),
  maxBuffers: 64,
  maxBufferBytes: 2 ** 32,
  maxLocalBytes: 2 ** 18,
  l1Bytes: 2 ** 15,
  l2Bytes: 2 ** 20,
  fingerprint: "",
});

export function leaf(shape: readonly number[], dtype: DType = "float32"): g.Node {
  const size = shape.reduce((product, d) => product * d, 1);
  return storeBytes(new Uint8Array(size * bytesOf(dtype)), dtype, shape);
}

/** The kernels that compute these nodes. */
export const kernelsOf = (roots: readonly g.Node[], target: Target): Kernel[] =>
  fuse(normalise(roots).rebuild().roots, target).kernels.map(({ kernel }) => kernel);

export function softmax(x: g.Node, axis: number): g.Node {
  const e = g.unary("exp", g.binary("sub", x, g.expand(g.reduceNode(x, "max", [axis]), x.shape)));
  return g.binary("div", e, g.expand(g.reduceNode(e, "add", [axis]), x.shape));
}

export function matmul(a: g.Node, b: g.Node): g.Node {
  const rank = a.shape.length;
  const batch = a.shape.slice(0, -2);
  const [rows, depth] = a.shape.slice(-2);
  const columns = b.shape[rank - 1];
  const full = [...batch, rows, columns, depth];
  const swapped = g.permute(b, [...batch.map((_, i) => i), rank - 1, rank - 2]);
  const left = g.expand(g.reshape(a, [...batch, rows, 1, depth]), full);
  const right = g.expand(g.reshape(swapped, [...batch, 1, columns, depth]), full);
  return g.reshape(g.reduceNode(g.binary("mul", left, right), "add", [full.length - 1]), [
    ...batch,
    rows,
    columns,
  ]);
}

/** Queries of `rows`, as many keys and values as `keys`, of `depth`. */
export const attention = (rows: number, keys: number, depth: number): g.Node =>
  matmul(
    softmax(matmul(leaf([rows, depth]), g.permute(leaf([keys, depth]), [1, 0])), 1),
    leaf([keys, depth]),
  );

export const relu = (x: g.Node): g.Node => g.binary("max", x, g.constNode(0, x.dtype, x.shape));

/** 3x3 windows of images, not padded, times filters; both are cast before. */
export function convolution(
  batch: number,
  channels: number,
  size: number,
  filters: number,
  stored: DType = "float32",
  sums: DType = stored,
): g.Node {
  const out = size - 2;
  const operand = (...shape: number[]): g.Node => g.castNode(leaf(shape, stored), sums);
  const image = g.reshape(operand(batch, channels, size, size), [batch, channels, size, 1, size, 1]);
  let windows = g.expand(image, [batch, channels, size, 3, size, 3]);
  windows = g.shear(windows, 2, 3, 1, 0, out);
  windows = g.shear(windows, 4, 5, 1, 0, out);
  const full = [batch, filters, channels, out, 3, out, 3];
  const weights = g.reshape(operand(filters, channels, 3, 3), [1, filters, channels, 1, 3, 1, 3]);
  const placed = g.reshape(windows, [batch, 1, channels, out, 3, out, 3]);
  const products = g.binary("mul", g.expand(placed, full), g.expand(weights, full));
  return g.reduceNode(products, "add", [2, 4, 6]);
}

/** Each channel's 3x3 windows, its border zero, times its own filter. */
function depthwise(channels: number, height: number, width: number): g.Node {
  const padded = g.pad(leaf([channels, height, width]), [
    [0, 0],
    [1, 1],
    [1, 1],
  ]);
  const image = g.reshape(padded, [channels, height + 2, 1, width + 2, 1]);
  let windows = g.expand(image, [channels, height + 2, 3, width + 2, 3]);
  windows = g.shear(windows, 1, 2, 1, 0, height);
  windows = g.shear(windows, 3, 4, 1, 0, width);
  const weights = g.expand(g.reshape(leaf([channels, 3, 3]), [channels, 1, 3, 1, 3]), windows.shape);
  return g.reduceNode(g.binary("mul", windows, weights), "add", [2, 4]);
}

/** The gradient of a convolution by its images: windows that reach over the border are guarded. */
function convolutionAdjoint(batch: number, channels: number, size: number, filters: number): g.Node {
  const out = size - 2;
  const full = [batch, filters, channels, out, 3, out, 3];
  const change = g.expand(leaf([batch, filters, 1, out, 1, out, 1]), full);
  const weights = g.reshape(leaf([filters, channels, 3, 3]), [1, filters, channels, 1, 3, 1, 3]);
  const products = g.reduceNode(g.binary("mul", change, g.expand(weights, full)), "add", [1]);
  let windows: g.Node = g.reshape(products, [batch, channels, out, 3, out, 3]);
  windows = g.shear(windows, 2, 3, -1, 0, size);
  windows = g.shear(windows, 4, 5, -1, 0, size);
  return g.reduceNode(windows, "add", [3, 5]);
}

function adam(size: number): g.Node[] {
  const [parameter, first, second, gradient] = [1, 2, 3, 4].map(() => leaf([size]));
  const times = (x: g.Node, by: number): g.Node => g.binary("mul", x, g.constNode(by, "float32", [size]));
  const mean = g.binary("add", times(first, 0.9), times(gradient, 0.1));
  const squares = g.binary(
    "add",
    times(g.binary("mul", second, second), 0.99),
    g.binary("mul", gradient, gradient),
  );
  const root = g.binary("add", g.unary("sqrt", squares), g.constNode(1, "float32", [size]));
  return [mean, squares, g.binary("sub", parameter, g.binary("div", mean, root))];
}

/** Every second column of a matrix. */
function everyOther(x: g.Node): g.Node {
  const [rows, columns] = x.shape as [number, number];
  const pairs = g.reshape(x, [rows, columns / 2, 2]);
  return g.contiguous(
    g.shrink(pairs, [
      [0, rows],
      [0, columns / 2],
      [1, 2],
    ]),
  );
}

const masked = (x: g.Node, mask: number): g.Node => g.binary("and", x, g.constNode(mask, x.dtype, x.shape));

/** The last axis in an order of its own: its size and `step` have no common factor. */
function permutation(x: g.Node, step: number): g.Node {
  const axis = x.shape.length - 1;
  const all = (value: number): g.Node => g.constNode(value, "int32", x.shape);
  const turned = g.binary("mul", g.iota(x.shape, axis), all(step));
  const places = g.binary("mod", turned, all(x.shape[axis] as number));
  return g.scatter(g.constNode(0, x.dtype, x.shape), places, x, axis, "permute");
}

/** Every element of a row some times. */
function repeated(x: g.Node, times: number): g.Node {
  const [rows, width] = x.shape as number[];
  const apart = g.expand(g.reshape(x, [rows, width, 1]), [rows, width, times]);
  return g.contiguous(g.reshape(apart, [rows, width * times]));
}

/** Signed integers of four bits from bytes, two of each, the low one first. */
function nibbles(rows: number, bytes: number): g.Node {
  const packed = g.reshape(leaf([rows, bytes], "uint8"), [rows, bytes, 1]);
  const pairs = g.castNode(g.expand(packed, [rows, bytes, 2]), "int32");
  const constant = (value: number): g.Node => g.constNode(value, "int32", pairs.shape);
  const shift = g.binary("sub", constant(28), g.binary("mul", g.iota(pairs.shape, 2), constant(4)));
  const high = g.binary("shl", pairs, shift);
  return g.reshape(g.castNode(g.binary("shr", high, constant(28)), "int8"), [rows, 2 * bytes]);
}

/** The same, scaled in groups of eight. */
function scaledNibbles(rows: number, bytes: number): g.Node {
  const shape = [rows, bytes / 4, 8];
  const groups = g.reshape(g.castNode(nibbles(rows, bytes), "float32"), shape);
  const scales = g.expand(g.reshape(leaf([rows, bytes / 4]), [rows, bytes / 4, 1]), shape);
  return g.reshape(g.binary("mul", groups, scales), [rows, 2 * bytes]);
}

/** Products of x [rows, width] and integers [outputs, width], each sum of a group scaled by itself. */
function scaledSums(x: g.Node, weights: g.Node, group: number): g.Node {
  const [rows, width] = x.shape as number[];
  const outputs = weights.shape[0] as number;
  const [groups, shape] = [width / group, [rows, outputs, width / group, group]];
  const left = g.expand(g.reshape(x, [rows, 1, groups, group]), shape);
  const right = g.expand(g.reshape(g.castNode(weights, "float32"), [1, outputs, groups, group]), shape);
  const sums = g.reduceNode(g.binary("mul", left, right), "add", [3]);
  const scales = g.expand(g.reshape(leaf([outputs, groups]), [1, outputs, groups, 1]), [
    rows,
    outputs,
    groups,
    1,
  ]);
  return g.reduceNode(g.binary("mul", sums, scales), "add", [2]);
}

/** One of each kind of loop nest, by name. */
export const WORKLOADS: Readonly<Record<string, () => g.Node[]>> = {
  elementwise: () => [relu(g.binary("add", leaf([5, 37]), leaf([5, 37])))],
  "elementwise, many": () => [g.unary("neg", leaf([3001]))],
  "a row for all": () => [g.binary("add", leaf([5, 37]), g.expand(leaf([1, 37]), [5, 37]))],
  "a column for all": () => [g.binary("add", leaf([65, 37]), g.expand(leaf([65, 1]), [65, 37]))],
  "pixels twice": () => [repeated(leaf([3, 50]), 2)],
  "pixels three times": () => [repeated(leaf([3, 50]), 3)],
  "bytes four times": () => [repeated(leaf([3, 50], "uint8"), 4)],
  "four bits": () => [g.contiguous(nibbles(3, 50))],
  "four bits as floats": () => [g.castNode(nibbles(9, 64), "float32")],
  "four bits, matrix times vector": () => [matmul(g.castNode(nibbles(5, 80), "float32"), leaf([160, 1]))],
  "four bits, scaled, matrix times vector": () => [matmul(scaledNibbles(5, 80), leaf([160, 1]))],
  "four bits, sums of groups": () => [scaledSums(leaf([1, 256]), nibbles(9, 128), 32)],
  "sums of groups, scaled, of two rows": () => [scaledSums(leaf([2, 192]), leaf([20, 192], "int8"), 64)],
  "four bits, matrix product": () => [
    matmul(leaf([11, 80]), g.permute(g.castNode(nibbles(36, 40), "float32"), [1, 0])),
  ],
  transpose: () => [g.contiguous(g.permute(leaf([40, 37]), [1, 0]))],
  "transpose of bytes": () => [g.contiguous(g.permute(leaf([70, 37], "uint8"), [1, 0]))],
  "transpose of half a row": () => [g.contiguous(g.permute(leaf([9, 12], "float16"), [1, 0]))],
  "transpose into a sum": () => [g.binary("add", g.permute(leaf([37, 40]), [1, 0]), leaf([40, 37]))],
  "channels last": () => [g.contiguous(g.permute(leaf([3, 20, 5, 7]), [0, 2, 3, 1]))],
  "axes backwards": () => [g.contiguous(g.permute(leaf([17, 3, 34]), [2, 1, 0]))],
  "every other": () => [everyOther(leaf([6, 70], "int32"))],
  "every other backwards": () => [everyOther(g.flip(leaf([6, 70], "int32"), [1]))],
  pad: () => [
    g.pad(leaf([6, 40]), [
      [1, 1],
      [2, 3],
    ]),
  ],
  flip: () => [g.contiguous(g.flip(leaf([7, 33]), [1]))],
  "concatenation of 5": () => [
    g.concat(
      [1, 2, 3, 4, 5].map((n) => leaf([n, 9])),
      0,
    ),
  ],
  "sum of all": () => [g.reduceNode(leaf([1000]), "add", [0])],
  "sum of many": () => [g.reduceNode(leaf([150_001]), "add", [0])],
  "sum of rows": () => [g.reduceNode(leaf([20, 333]), "add", [1])],
  "max of columns": () => [g.reduceNode(leaf([77, 133]), "max", [0])],
  "sum of two axes": () => [g.reduceNode(leaf([7, 13, 40]), "add", [0, 2])],
  "sum of bytes": () => [g.reduceNode(g.castNode(leaf([9, 70], "uint8"), "int32"), "add", [1])],
  "softmax of rows": () => [softmax(leaf([9, 70]), 1)],
  "softmax of columns": () => [softmax(leaf([70, 37]), 0)],
  "softmax of one row": () => [softmax(leaf([300]), 0)],
  "softmax of one long row": () => [softmax(leaf([40_000]), 0)],
  "matmul 64": () => [matmul(leaf([64, 64]), leaf([64, 64]))],
  "matmul odd": () => [relu(matmul(leaf([67, 65]), leaf([65, 71])))],
  "matmul transposed": () => [matmul(leaf([67, 65]), g.permute(leaf([70, 65]), [1, 0]))],
  "matmul tiny": () => [matmul(leaf([3, 5]), leaf([5, 7]))],
  "matmul to 10 columns": () => [matmul(leaf([128, 48]), leaf([48, 10]))],
  "matrix times vector": () => [matmul(leaf([100, 200]), leaf([200, 1]))],
  "vector times matrix": () => [matmul(leaf([1, 200]), leaf([200, 100]))],
  "batched matmul": () => [matmul(leaf([4, 30, 20]), leaf([4, 20, 50]))],
  attention: () => [attention(16, 40, 32)],
  "attention of very many keys": () => [attention(30, 3000, 8)],
  "attention of many keys": () => [attention(37, 140, 32)],
  convolution: () => [relu(convolution(2, 5, 10, 12))],
  "depthwise convolution": () => [depthwise(20, 13, 22)],
  "convolution's adjoint": () => [convolutionAdjoint(2, 6, 9, 5)],
  gather: () => [g.gather(leaf([11, 20]), g.expand(leaf([9, 1], "int32"), [9, 20]), 0)],
  "columns taken": () => [g.gather(leaf([9, 20]), g.expand(leaf([1, 37], "int32"), [9, 37]), 1)],
  "columns taken from matrices": () => [
    g.gather(leaf([3, 6, 20]), g.expand(leaf([3, 1, 33], "int32"), [3, 6, 33]), 2),
  ],
  scatter: () => [g.scatterAdd(leaf([11, 20]), g.expand(leaf([9, 1], "int32"), [9, 20]), leaf([9, 20]), 0)],
  "scatter that writes": () => [
    g.scatter(leaf([11, 20]), g.expand(leaf([9, 1], "int32"), [9, 20]), leaf([9, 20]), 0, "write"),
  ],
  "running sum": () => [g.scanNode(leaf([1000]), "add", 0)],
  "running sum of many": () => [g.scanNode(leaf([150_001]), "add", 0)],
  "running sum of rows": () => [g.scanNode(leaf([9, 133]), "add", 1)],
  "running maximum of columns": () => [g.scanNode(leaf([33, 77]), "max", 0)],
  "running sums along the middle": () => [g.scanNode(leaf([3, 20, 35], "int64"), "add", 1)],
  "running sum of a softmax": () => [g.scanNode(softmax(leaf([9, 70]), 1), "add", 1)],
  "running sum of softmaxes": () => [g.scanNode(softmax(leaf([40, 37]), 1), "add", 0)],
  "running counts of groups": () => [
    g.scanGroups(leaf([7, 40], "int32"), leaf([7, 40], "int32"), leaf([7, 6], "int32"), "add", 1),
  ],
  "counts of groups, row by row": () => [
    g.scatterAdd(
      g.constNode(0, "int32", [9, 16]),
      masked(leaf([9, 40], "uint32"), 15),
      leaf([9, 40], "int32"),
      1,
    ),
  ],
  permutation: () => [permutation(leaf([5, 33]), 7), permutation(leaf([40], "uint8"), 11)],
  adam: () => adam(300),
};

/** Loop nests that the fuser would write otherwise, or not at all. */
export const TEXTS: Readonly<Record<string, string>> = {
  "logarithm of a sum of powers": `kernel powers(out: float32[5], a: float32[65]) {
    for i in 5 {
      alloc local row: float32[13]
      for r in 13 { store row[r] = mul(a[i*13 + r], float32:0.5) }
      alloc local most: float32[1]
      store most[0] = float32:-inf
      for m in 13 { accumulate max most[0] = row[m] }
      alloc local total: float32[1]
      store total[0] = float32:0
      for k in 13 { accumulate add total[0] = exp(sub(row[k], most[0])) }
      store out[i] = add(most[0], log(total[0]))
    } }`,
  "scaled sums of groups": `kernel groups(out: float32[4], a: float32[96], s: float32[12]) {
    for i in 4 {
      alloc local sum: float32[1]
      store sum[0] = float32:0
      for r in 3 {
        alloc local total: float32[1]
        store total[0] = float32:0
        for k in 8 { accumulate add total[0] = neg(a[i*24 + r*8 + k]) }
        accumulate add sum[0] = mul(total[0], s[i*3 + r])
      }
      store out[i] = sum[0]
    } }`,
  "mean by powers": `kernel mean(out: float32[20], a: float32[55], c: float32[44]) {
    for i in 5 {
      alloc local most: float32[1]
      store most[0] = float32:-inf
      for m in 11 { accumulate max most[0] = a[i*11 + m] }
      alloc local powers: float32[11]
      alloc local total: float32[1]
      store total[0] = float32:0
      for p in 11 {
        store powers[p] = exp(sub(a[i*11 + p], most[0]))
        accumulate add total[0] = exp(sub(a[i*11 + p], most[0]))
      }
      for j in 4 {
        alloc local mean: float32[1]
        store mean[0] = float32:0
        for k in 11 { accumulate add mean[0] = mul(mul(powers[k], a[i*11]), c[k*4 + j]) }
        store out[i*4 + j] = mul(mean[0], reciprocal(total[0]))
      }
    } }`,
  "largest of pairs": `kernel largest(out: float32[66], most: bool[264], a: float32[264], c: float32[3]) {
    for i in 3 {
      alloc local row: float32[88]
      for r in 88 { store row[r] = add(a[i*88 + r], c[i]) }
      for y in 2 {
        for x in 11 {
          alloc local acc: float32[1]
          store acc[0] = float32:-inf
          for k in 2 { for l in 2 { accumulate max acc[0] = row[y*44 + k*22 + x*2 + l] } }
          alloc local side: float32[1]
          store side[0] = acc[0]
          for m in 2 {
            for n in 2 {
              store most[i*88 + y*44 + m*22 + x*2 + n] = eq(row[y*44 + m*22 + x*2 + n], side[0])
            }
          }
          store out[i*22 + y*11 + x] = side[0]
        }
      }
    } }`,
  "pairs, some": `kernel pairs(out: float32[66], a: float32[33], flags: bool[66]) {
    for i in 3 { for j in 22 {
      store out[i*22 + j] = where(flags[i*22 + j], a[i*11 + (j) / 2], float32:0) } } }`,
  "attention of rows": `kernel attention(out: float32[20], a: float32[15], b: float32[33], c: float32[44]) {
    for i in 5 {
      alloc local scores: float32[11]
      for r in 11 {
        alloc local acc: float32[1]
        store acc[0] = float32:0
        for d in 3 { accumulate add acc[0] = mul(a[i*3 + d], b[r*3 + d]) }
        store scores[r] = acc[0]
      }
      alloc local scaled: float32[11]
      for s in 11 { store scaled[s] = mul(scores[s], float32:0.25) }
      alloc local most: float32[1]
      store most[0] = float32:-inf
      for m in 11 { accumulate max most[0] = scaled[m] }
      alloc local powers: float32[11]
      for p in 11 { store powers[p] = exp(sub(scaled[p], most[0])) }
      alloc local total: float32[1]
      store total[0] = float32:0
      for t in 11 { accumulate add total[0] = powers[t] }
      alloc local weights: float32[11]
      for w in 11 { store weights[w] = mul(powers[w], reciprocal(total[0])) }
      for j in 4 {
        alloc local mean: float32[1]
        store mean[0] = float32:0
        for k in 11 { accumulate add mean[0] = mul(weights[k], c[k*4 + j]) }
        store out[i*4 + j] = mean[0]
      }
    } }`,
  matmul: `kernel matmul(out: float32[91], a: float32[65], b: float32[35]) {
    for i in 13 { for j in 7 {
      alloc local acc: float32[1]
      store acc[0] = float32:0
      for k in 5 { accumulate add acc[0] = mul(a[i*5 + k], b[k*7 + j]) }
      store out[i*7 + j] = acc[0]
    } } }`,
  windows: `kernel windows(out: float32[40], image: float32[40], filter: float32[3]) {
    for i in 5 { for j in 8 {
      alloc local acc: float32[1]
      store acc[0] = float32:0
      for k in 3 { accumulate add acc[0] = mul(image[i*8 + j + k - 1] when (j + k - 1, -j - k + 8), filter[k]) }
      store out[i*8 + j] = max(acc[0], float32:0)
    } } }`,
  largest: `kernel largest(out: int32[12], a: int32[204]) {
    for i in 12 {
      alloc local acc: int32[1]
      store acc[0] = int32:-2147483648
      for k in 17 { accumulate max acc[0] = a[i*17 + k] }
      store out[i] = acc[0]
    } }`,
  rows: `kernel rows(out: float32[60], a: float32[60]) {
    for i in 6 {
      alloc local m: float32[1]
      store m[0] = float32:-inf
      for k in 10 { accumulate max m[0] = a[i*10 + k] }
      alloc local row: float32[10]
      for j in 10 { store row[j] = sub(a[i*10 + j], m[0]) }
      alloc local s: float32[1]
      store s[0] = float32:0
      for l in 10 { accumulate add s[0] = row[l] }
      for n in 10 { store out[i*10 + n] = mul(row[n], s[0]) }
    } }`,
  softmax: `kernel softmax(out: float32[77], a: float32[77]) {
    for i in 7 {
      alloc local most: float32[1]
      store most[0] = float32:-inf
      for m in 11 { accumulate max most[0] = a[i*11 + m] }
      alloc local powers: float32[11]
      alloc local total: float32[1]
      store total[0] = float32:0
      for p in 11 {
        store powers[p] = exp(sub(a[i*11 + p], most[0]))
        accumulate add total[0] = exp(sub(a[i*11 + p], most[0]))
      }
      for j in 11 { store out[i*11 + j] = div(powers[j], total[0]) }
    } }`,
  total: `kernel total(out: float32[1], a: float32[130]) {
    alloc local acc: float32[1]
    store acc[0] = float32:0
    for k in 130 { accumulate add acc[0] = a[k] }
    store out[0] = acc[0]
  }`,
  centred: `kernel centred(out: float32[70], a: float32[70]) {
    alloc local acc: float32[1]
    store acc[0] = float32:0
    for k in 70 { accumulate add acc[0] = a[k] }
    for i in 70 { store out[i] = sub(a[i], acc[0]) }
  }`,
  running: `kernel running(out: int32[48], a: int32[48]) {
  alloc local total: int32[1]
  store total[0] = int32:1
  for k in 48 {
    accumulate add total[0] = a[k]
    store out[k] = neg(total[0])
  }
}`,
  symbolic: `kernel symbolic(out: float32[n*6], a: float32[n*6], b: float32[n*6]) with n in [1, 9] {
    for i in n { for j in 6 {
      alloc local acc: float32[1]
      store acc[0] = float32:0
      for k in n { accumulate add acc[0] = mul(a[k*6 + j], b[i*6 + j]) }
      store out[i*6 + j] = acc[0]
    } } }`,
  gather: `kernel gather(out: int64[24], data: int64[40], at: int32[12]) {
    for i in 12 { for j in 2 {
      store out[i*2 + j] = data[{at[i] in [-50, 50]}*2 + j] when ({at[i] in [-50, 50]}, -{at[i] in [-50, 50]} + 19)
    } } }`,
  scatter: `kernel scatter(out: int32[10], at: int32[33], v: int32[33]) {
    for z in 10 { store out[z] = int32:0 }
    for i in 33 {
      if ({at[i] in [-50, 50]}, -{at[i] in [-50, 50]} + 9) { accumulate add out[{at[i] in [-50, 50]}] = v[i] }
    } }`,
  written: `kernel written(out: int32[10], at: int32[33], v: int32[33]) {
    for z in 10 { store out[z] = int32:0 }
    for i in 33 {
      if ({at[i] in [-50, 50]}, -{at[i] in [-50, 50]} + 9) { store out[{at[i] in [-50, 50]}] = v[i] }
    } }`,
  border: `kernel border(out: int32[96], a: int32[60]) {
    for i in 8 { for j in 12 { store out[i*12 + j] = a[i*10 + j - 11] when (i - 1, -i + 6, j - 1, -j + 10) } } }`,
  bytes: `kernel bytes(out: uint8[45], a: uint8[45], flags: bool[45]) {
    for i in 45 { store out[i] = where(flags[i], add(a[i], uint8(i)), a[-i + 44]) } }`,
};

export const parsedTexts = (): Kernel[] => Object.values(TEXTS).map(parseKernel);
