// Programs written by hand, as lowering would write them, for the tests of code generators and devices.

import {
  addIndex,
  divIndex,
  letAtom,
  loopAtom,
  modIndex,
  mulIndex,
  subIndex,
  symbolAtom,
  toIndex,
} from "../../src/kernel/index.js";
import {
  type AllocStmt,
  bitcast,
  type Buffer,
  cast,
  constant,
  type Expr,
  extract,
  forLoop,
  indexValue,
  load,
  loadedIndex,
  makeBuffer,
  pack,
  ramp,
  ref,
  type Stmt,
  scalar,
  shuffle,
  splat,
  store,
  validValue,
} from "../../src/kernel/ir.js";
import type { Phase, Program } from "../../src/lower/program.js";
import { bytesOf, type DType, type Scalar } from "../../src/scalar/dtype.js";
import type { ScalarOp } from "../../src/scalar/ops.js";

export const param = (name: string, dtype: DType, size: Buffer["size"] | number): Buffer =>
  makeBuffer(name, dtype, size, "global");

export function makeProgram(
  name: string,
  params: readonly Buffer[],
  phases: readonly Phase[],
  more: Partial<Program> = {},
): Program {
  const none = toIndex(0);
  return { name, params, scratch: [], symbols: [], phases, localBytes: 0, flops: none, bytes: none, ...more };
}

const float = (x: number, lanes = 1): Expr => constant(x, "float32", lanes);
const at = (buffer: Buffer, offset: number): AllocStmt => ({ kind: "alloc", buffer, offset });

/** c = a + b, in vectors of `lanes` with a scalar tail. */
export function add(size: number, lanes: number): Program {
  const [c, a, b] = ["c", "a", "b"].map((name) => param(name, "float32", size));
  const whole = Math.floor(size / lanes);
  const sum = (index: ReturnType<typeof toIndex>, width: number): Stmt =>
    store(
      c,
      index,
      scalar("add", load(a, index, [], { lanes: width }), load(b, index, [], { lanes: width })),
    );
  const i = loopAtom("i", whole);
  const j = loopAtom("j", size - whole * lanes);
  return makeProgram(
    `e_${size}`,
    [c, a, b],
    [
      { atom: i, grain: 64, body: [sum(mulIndex(i, lanes), lanes)] },
      { atom: j, grain: 64, body: [sum(addIndex(j, whole * lanes), 1)] },
    ],
  );
}

/**
 * c[rows, columns] = a[rows, k] * b[k, columns] in tiles of `tileRows` x `vectors * lanes` held in registers;
 * a phase iteration computes a tile.
 */
export function matmul(
  rows: number,
  columns: number,
  k: number,
  tileRows: number,
  vectors: number,
  lanes: number,
): Program {
  const [c, a, b] = [
    param("c", "float32", rows * columns),
    param("a", "float32", rows * k),
    param("b", "float32", k * columns),
  ];
  const width = vectors * lanes;
  const across = columns / width;
  const tile = loopAtom("tile", (rows / tileRows) * across);
  const [row, column] = [letAtom("row", 0, rows - tileRows), letAtom("column", 0, columns - width)];
  const acc = makeBuffer("acc", "float32", tileRows * vectors, "register", lanes);
  const step = loopAtom("k", k);
  const places = Array.from({ length: tileRows }, (_, r) =>
    Array.from({ length: vectors }, (_, v) => ({ r, v, place: r * vectors + v })),
  ).flat();
  const body: Stmt[] = [
    { kind: "letIndex", atom: row, index: mulIndex(divIndex(tile, across), tileRows) },
    { kind: "letIndex", atom: column, index: mulIndex(modIndex(tile, across), width) },
    { kind: "alloc", buffer: acc },
    ...places.map(({ place }) => store(acc, place, float(0, lanes))),
    forLoop(step, [
      ...Array.from({ length: vectors }, (_, v): Stmt => {
        const index = addIndex(mulIndex(step, columns), column, v * lanes);
        return { kind: "let", name: `b${v}`, value: load(b, index, [], { lanes }) };
      }),
      ...Array.from({ length: tileRows }, (_, r): Stmt => {
        const index = addIndex(mulIndex(addIndex(row, r), k), step);
        return { kind: "let", name: `a${r}`, value: splat(load(a, index), lanes) };
      }),
      ...places.map(({ r, v, place }) => {
        const [x, y] = [ref(`a${r}`, "float32", lanes), ref(`b${v}`, "float32", lanes)];
        return store(acc, place, scalar("fma", x, y, load(acc, place, [], { lanes })));
      }),
    ]),
    ...places.map(({ r, v, place }) => {
      const index = addIndex(mulIndex(addIndex(row, r), columns), column, v * lanes);
      return store(c, index, load(acc, place, [], { lanes }));
    }),
  ];
  return makeProgram(`r_${rows}_${columns}_${k}`, [c, a, b], [{ atom: tile, grain: 1, body }]);
}

/** The sum and the largest of each row, with vector accumulators folded at the end. */
export function rowSums(rows: number, columns: number, lanes: number): Program {
  const [sums, tops, x] = [
    param("sums", "float32", rows),
    param("tops", "float32", rows),
    param("x", "float32", rows * columns),
  ];
  const [i, j] = [loopAtom("i", rows), loopAtom("j", columns / lanes)];
  const sum = makeBuffer("sum", "float32", 1, "register", lanes);
  const top = makeBuffer("top", "float32", 1, "register", lanes);
  const value = load(x, addIndex(mulIndex(i, columns), mulIndex(j, lanes)), [], { lanes });
  const fold = (op: ScalarOp, buffer: Buffer): Expr => {
    const whole = load(buffer, 0, [], { lanes });
    return Array.from({ length: lanes }, (_, lane) => extract(whole, lane)).reduce((p, q) =>
      scalar(op, p, q),
    );
  };
  const body: Stmt[] = [
    { kind: "alloc", buffer: sum },
    { kind: "alloc", buffer: top },
    store(sum, 0, float(0, lanes)),
    store(top, 0, float(-Infinity, lanes)),
    forLoop(j, [
      { kind: "let", name: "value", value },
      store(sum, 0, scalar("add", load(sum, 0, [], { lanes }), ref("value", "float32", lanes))),
      store(top, 0, scalar("max", load(top, 0, [], { lanes }), ref("value", "float32", lanes))),
    ]),
    store(sums, i, fold("add", sum)),
    store(tops, i, fold("max", top)),
  ];
  return makeProgram(`r_${rows}_${columns}`, [sums, tops, x], [{ atom: i, grain: 1, body }]);
}

/** y[i] = x[i - 3] where that exists, else 0: predicated scalar loads, then the same with vectors. */
export function shifted(size: number, lanes: number): Program {
  const [y, x] = [param("y", "float32", size), param("x", "float32", size - 3)];
  const i = loopAtom("i", size / lanes);
  const from = subIndex(mulIndex(i, lanes), 3);
  if (lanes === 1) {
    return makeProgram("shift", [y, x], [{ atom: i, grain: 4, body: [store(y, i, load(x, from, [from]))] }]);
  }
  // The first vector is out of bounds as a whole by its predicate; the remaining ones lie within.
  return makeProgram(
    "shift",
    [y, x],
    [{ atom: i, grain: 4, body: [store(y, mulIndex(i, lanes), load(x, from, [from], { lanes }))] }],
  );
}

/** One elementwise operation over whole buffers. */
export function elementwise(op: ScalarOp, inputs: readonly DType[], size: number, lanes: number): Program {
  const i = loopAtom("i", size / lanes);
  const buffers = inputs.map((dtype, k) => param("xyz"[k], dtype, size));
  const index = mulIndex(i, lanes);
  const value = scalar(op, ...buffers.map((buffer) => load(buffer, index, [], { lanes })));
  const out = param("out", value.dtype, size);
  return makeProgram(
    `${op}_${inputs.join("_")}_${lanes}`,
    [out, ...buffers],
    [{ atom: i, grain: 1024, body: [store(out, index, value)] }],
  );
}

/** A copy whose stores go past the caches, a line of 64 bytes an iteration. */
export function streamed(dtype: DType, size: number, lanes: number): Program {
  const line = 64 / bytesOf(dtype);
  const i = loopAtom("i", size / line);
  const [out, x] = [param("out", dtype, size), param("x", dtype, size)];
  const body = Array.from({ length: line / lanes }, (_, part): Stmt => {
    const index = addIndex(mulIndex(i, line), part * lanes);
    return { ...store(out, index, load(x, index, [], { lanes })), stream: true };
  });
  return makeProgram(`streamed_${dtype}_${lanes}`, [out, x], [{ atom: i, grain: 1, body }]);
}

export function converted(from: DType, to: DType, size: number, lanes: number, bits = false): Program {
  const i = loopAtom("i", size / lanes);
  const [out, x] = [param("out", to, size), param("x", from, size)];
  const index = mulIndex(i, lanes);
  const value = load(x, index, [], { lanes });
  const result = bits ? bitcast(value, to) : cast(value, to);
  return makeProgram(
    `${bits ? "bits" : "cast"}_${from}_${to}_${lanes}`,
    [out, x],
    [{ atom: i, grain: 1024, body: [store(out, index, result)] }],
  );
}

/** Narrow integers extended on load, doubled, and wrapped on store. */
export function narrow(dtype: DType, wide: DType, size: number, lanes: number): Program {
  const i = loopAtom("i", size / lanes);
  const [out, x] = [param("out", dtype, size), param("x", dtype, size)];
  const index = mulIndex(i, lanes);
  const value = load(x, index, [], { dtype: wide, lanes });
  return makeProgram(
    `narrow_${dtype}_${lanes}`,
    [out, x],
    [{ atom: i, grain: 1024, body: [store(out, index, scalar("add", value, value))] }],
  );
}

/** where(x < y, x * 2, y) with the mask kept as a value, stored, and combined with another one. */
export function masked(dtype: DType, size: number, lanes: number): Program {
  const i = loopAtom("i", size / lanes);
  const index = mulIndex(i, lanes);
  const [out, mask, x, y, other] = [
    param("out", dtype, size),
    param("mask", "bool", size),
    param("x", dtype, size),
    param("y", dtype, size),
    param("other", "bool", size),
  ];
  const [a, b] = [load(x, index, [], { lanes }), load(y, index, [], { lanes })];
  const less = scalar("xor", scalar("lt", a, b), scalar("not", load(other, index, [], { lanes })));
  const held = ref("held", "bool", lanes);
  return makeProgram(
    `mask_${dtype}_${lanes}`,
    [out, mask, x, y, other],
    [
      {
        atom: i,
        grain: 1024,
        body: [
          { kind: "let", name: "held", value: less },
          store(out, index, scalar("where", held, scalar("add", a, a), b)),
          store(mask, index, held),
        ],
      },
    ],
  );
}

/** out[i] = table[indices[i]] where 0 <= indices[i] < rows, else 0. */
export function gather(rows: number, count: number): Program {
  const [out, table, indices] = [
    param("out", "float32", count),
    param("table", "float32", rows),
    param("indices", "int32", count),
  ];
  const i = loopAtom("i", count);
  const row = loadedIndex(load(indices, i));
  const value = load(table, row, [row, subIndex(rows - 1, row)]);
  return makeProgram("gather", [out, table, indices], [{ atom: i, grain: 8, body: [store(out, i, value)] }]);
}

/** A row reversed through local memory, n a symbol: out[i, j] = x[i, n - 1 - j] + j. */
export function reversed(rows: number, most: number): Program {
  const n = symbolAtom("n", 1, most);
  const [out, x] = [param("out", "float32", mulIndex(n, rows)), param("x", "float32", mulIndex(n, rows))];
  const [i, j, k] = [loopAtom("i", rows), loopAtom("j", n), loopAtom("j", n)];
  const row = makeBuffer("row", "float32", most, "local");
  const body: Stmt[] = [
    at(row, 64),
    forLoop(j, [store(row, subIndex(subIndex(n, 1), j), load(x, addIndex(mulIndex(i, n), j)))]),
    forLoop(k, [
      store(
        out,
        addIndex(mulIndex(i, n), k),
        scalar("add", load(row, k), cast(indexValue(k, "int32"), "float32")),
      ),
    ]),
  ];
  return makeProgram("reverse", [out, x], [{ atom: i, grain: 1, body }], {
    symbols: [n],
    localBytes: 64 + most * 4,
  });
}

/** Indices with quotients and remainders of either sign, divisors that are powers of two and not, and a symbol. */
export function quotients(size: number): Program {
  const n = symbolAtom("d", 1, 100);
  const out = param("out", "int64", size * 5);
  const i = loopAtom("i", size);
  const shiftedBack = subIndex(mulIndex(i, 3), 50);
  const values = [
    divIndex(shiftedBack, 7),
    modIndex(shiftedBack, 7),
    modIndex(shiftedBack, 8),
    addIndex(divIndex(mulIndex(i, 5), 3), mulIndex(divIndex(shiftedBack, 16), 1000)),
    addIndex(divIndex(i, n), mulIndex(modIndex(shiftedBack, n), 1000)),
  ];
  const body = values.map((value, k) => store(out, addIndex(mulIndex(i, 5), k), indexValue(value, "int64")));
  return makeProgram("quotients", [out], [{ atom: i, grain: 16, body }], { symbols: [n] });
}

/** Every literal that is hard to spell, stored as it is. */
export function literals(dtype: DType, values: readonly Scalar[]): Program {
  const out = param("out", dtype, values.length * 5);
  const i = loopAtom("i", 1);
  const body = values.flatMap((value, k) => [
    store(out, k * 5, constant(value, dtype)),
    store(out, k * 5 + 1, constant(value, dtype, 4)),
  ]);
  return makeProgram(`literals_${dtype}`, [out], [{ atom: i, grain: 1, body }]);
}

/** Ramps, packs, shuffles, predicates as values, branches: out[4 * i + lane] = 4 * i + lane where i > 2, else its negative. */
export function lanesOfIndices(size: number): Program {
  const [out, flags] = [param("out", "int32", size * 4), param("flags", "bool", size * 4)];
  const shuffled = param("shuffled", "int32", size * 4);
  const i = loopAtom("i", size);
  const index = mulIndex(i, 4);
  const condition = validValue([subIndex(i, 3)]);
  const value = ramp(index, 1, "int32", 4);
  const first = scalar("eq", extract(value, 1), constant(5, "int32"));
  const mask = pack([condition, first, condition, scalar("not", condition)]);
  const body: Stmt[] = [
    store(out, index, scalar("where", splat(condition, 4), value, scalar("neg", value))),
    store(shuffled, index, shuffle(value, splat(constant(7, "int32"), 4), [3, 4, 1, 1])),
    { kind: "let", name: "mask", value: mask },
    store(flags, index, ref("mask", "bool", 4)),
    { kind: "if", valid: [subIndex(i, 6)], body: [store(flags, index, extract(ref("mask", "bool", 4), 3))] },
  ];
  return makeProgram("lanes", [out, flags, shuffled], [{ atom: i, grain: 64, body }]);
}

/** A chain of operations `depth` deep in one expression, and a diamond that doubles its paths at each level. */
export function deep(depth: number): Program {
  const [out, x] = [param("out", "int32", 2), param("x", "int32", 2)];
  const i = loopAtom("i", 2);
  let chain = load(x, i);
  for (let k = 0; k < depth; k++)
    chain = scalar("add", scalar("mul", chain, constant(3, "int32")), load(x, i));
  let diamond = chain;
  for (let k = 0; k < 40; k++) diamond = scalar("add", diamond, diamond);
  return makeProgram("deep", [out, x], [{ atom: i, grain: 2, body: [store(out, i, diamond)] }]);
}
