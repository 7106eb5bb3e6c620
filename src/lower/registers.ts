// Moves small local buffers into registers: a local buffer that is only ever read and written at constant places,
// with one vector width, becomes that many variables. A vector read across two of them is a shuffle.

import type { Index } from "../kernel/index.js";
import {
  type Buffer,
  type Expr,
  extract,
  load,
  loadsOf,
  makeBuffer,
  shuffle,
  type Stmt,
  visitStatements,
} from "../kernel/ir.js";
import { rewriteBody } from "../kernel/rewrite.js";
import { toIndex } from "../kernel/index.js";

/** Most variables one buffer may become. */
const MAX_VARIABLES = 64;

interface Accesses {
  /** Lanes of its stores; undefined once they differ or an index varies. */
  lanes: number | undefined;
  readonly loads: { lanes: number; at: number }[];
}

export function promoteRegisters(body: readonly Stmt[]): Stmt[] {
  const accesses = gather(body);
  const promoted = new Map<Buffer, Buffer>();
  for (const [buffer, { lanes, loads }] of accesses) {
    const elements = buffer.size.value;
    if (lanes === undefined || elements === undefined || elements % lanes !== 0) continue;
    if (elements / lanes > MAX_VARIABLES) continue;
    if (loads.some((l) => l.lanes !== 1 && (l.lanes !== lanes || l.at + lanes > elements))) continue;
    promoted.set(buffer, makeBuffer(buffer.name, buffer.dtype, elements / lanes, "register", lanes));
  }
  return promoted.size === 0 ? [...body] : replace(body, promoted);
}

function gather(body: readonly Stmt[]): Map<Buffer, Accesses> {
  const accesses = new Map<Buffer, Accesses>();
  const allocated = new Set<Buffer>();
  visitStatements(body, (s) => {
    if (s.kind === "alloc" && s.buffer.space === "local") allocated.add(s.buffer);
  });
  const of = (buffer: Buffer, lanes: number): Accesses => {
    let known = accesses.get(buffer);
    if (known === undefined) {
      known = { lanes, loads: [] };
      accesses.set(buffer, known);
    }
    return known;
  };
  visitStatements(body, (s) => {
    // A tile's sums are memory.
    if (s.kind === "tile" && allocated.has(s.sums.buffer)) of(s.sums.buffer, 1).lanes = undefined;
    if ((s.kind !== "store" && s.kind !== "accumulate") || !allocated.has(s.buffer)) return;
    const own = of(s.buffer, s.value.lanes);
    const at = s.index.value;
    if (own.lanes !== s.value.lanes || at === undefined || at % s.value.lanes !== 0) own.lanes = undefined;
  });
  for (const { buffer, index, lanes, valid } of loadsOf(body)) {
    if (!allocated.has(buffer)) continue;
    const own = accesses.get(buffer);
    if (own === undefined) continue;
    if (index.value === undefined || valid.length > 0) own.lanes = undefined;
    else own.loads.push({ lanes, at: index.value });
  }
  return accesses;
}

function replace(body: readonly Stmt[], promoted: ReadonlyMap<Buffer, Buffer>): Stmt[] {
  const place = (index: Index, register: Buffer): number => Math.floor(index.value! / register.lanes);
  const loaded = rewriteBody(body, (x: Expr): Expr => {
    const register = x.op === "load" ? promoted.get(x.buffer) : undefined;
    if (x.op !== "load" || register === undefined) return x;
    const whole = load(register, place(x.index, register), [], { dtype: x.dtype, lanes: register.lanes });
    const first = x.index.value! % register.lanes;
    if (x.lanes !== register.lanes) return extract(whole, first);
    if (first === 0) return whole;
    const next = load(register, place(x.index, register) + 1, [], { dtype: x.dtype, lanes: x.lanes });
    return shuffle(
      whole,
      next,
      Array.from({ length: x.lanes }, (_, lane) => first + lane),
    );
  });
  const inStatement = (s: Stmt): Stmt[] => {
    if (s.kind === "for" || s.kind === "if") return [{ ...s, body: s.body.flatMap(inStatement) }];
    // Registers need not be fetched.
    if (s.kind === "prefetch") return promoted.has(s.buffer) ? [] : [s];
    if (s.kind === "alloc") {
      const register = promoted.get(s.buffer);
      return [register === undefined ? s : { kind: "alloc", buffer: register }];
    }
    if (s.kind !== "store" && s.kind !== "accumulate") return [s];
    const register = promoted.get(s.buffer);
    return [
      register === undefined ? s : { ...s, buffer: register, index: toIndex(place(s.index, register)) },
    ];
  };
  return loaded.flatMap(inStatement);
}
