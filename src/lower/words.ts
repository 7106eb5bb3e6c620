// Narrow elements (bool, 8 and 16 bits) in memory that can only be read and written by words of 32 bits.
//
// A buffer of narrow elements becomes one of words. A load takes its bits out of a word; a store reads the word, changes
// its bits and writes it back. So two iterations of a parallel loop must never store into one word: `wholeWords` lets a
// loop stay parallel only where each iteration has words of its own, splits a loop over consecutive elements into
// iterations of four elements (with a serial rest), and makes any other serial.
// Thread-private memory is not shared: its narrow elements take a word each.

import {
  type Atom,
  addIndex,
  divIndex,
  type Index,
  modIndex,
  mulIndex,
  negIndex,
  strideOf,
} from "../kernel/index.js";
import {
  type Buffer,
  bitcast,
  cast,
  constant,
  type Expr,
  type ForStmt,
  forLoop,
  type LoadExpr,
  indexValue,
  load,
  makeBuffer,
  type Stmt,
  type StoreStmt,
  store,
  visitStatements,
} from "../kernel/ir.js";
import { bytesOf, isUnsigned } from "../scalar/dtype.js";
import { splitLoop } from "../schedule/actions/split.js";
import { and, ne, not, or, shl, shr } from "./arithmetic.js";
import { type Rewriter, rebuild, rewriteStatements } from "./rewrite.js";

const WORD = 4;

const isShared = (buffer: Buffer): boolean => buffer.space === "global" || buffer.space === "scratch";
const isNarrow = (buffer: Buffer): boolean => bytesOf(buffer.dtype) < WORD;

// ---------------------------------------------------------------------------------------------------------------
// Words of one iteration

/** The top-level parallel loops that remain so, and the others: no two iterations store into one word. */
export function wholeWords(body: readonly Stmt[]): Stmt[] {
  return body.flatMap((s): Stmt[] => {
    if (s.kind !== "for" || s.loop !== "parallel") return [s];
    const stored = narrowStores(s);
    if (stored.length === 0) return [s];
    const apart = inWords(s, stored);
    if (apart.loop === "parallel") return [apart];
    const split = splitLoop({ ...s, loop: "parallel" }, WORD, "peel");
    return split.map((part) => (part.kind === "for" ? inWords(part, narrowStores(part)) : part));
  });
}

interface NarrowStore {
  readonly index: Index;
  /** Elements of a word. */
  readonly elements: number;
}

function narrowStores(s: Stmt): NarrowStore[] {
  const found: NarrowStore[] = [];
  visitStatements([s], (inner) => {
    if (inner.kind !== "store" && inner.kind !== "accumulate") return;
    const { buffer, index } = inner;
    if (isShared(buffer) && isNarrow(buffer)) found.push({ index, elements: WORD / bytesOf(buffer.dtype) });
  });
  return found;
}

/** The loop, parallel if its iterations store into different words; the loops directly in it likewise. */
function inWords(s: ForStmt, stored: readonly NarrowStore[]): ForStmt {
  const rests = stored.map((x) => ({ ...x, index: withoutLoop(x, s.atom) }));
  if (rests.some((x) => x.index === undefined)) return forLoop(s.atom, s.body);
  const [only] = s.body;
  if (s.body.length !== 1 || only.kind !== "for" || only.loop !== "parallel") return s;
  return forLoop(s.atom, [inWords(only, rests as readonly NarrowStore[])], s.loop);
}

/** The rest of an index beside a loop's term, if that rest stays within whole words of one iteration. */
function withoutLoop({ index, elements }: NarrowStore, atom: Atom): Index | undefined {
  const stride = strideOf(index, atom);
  if (stride === undefined || stride <= 0 || stride % elements !== 0) return undefined;
  const rest = addIndex(index, negIndex(mulIndex(atom, stride)));
  const first = Math.floor(rest.min / elements) * elements;
  return rest.max < first + stride ? rest : undefined;
}

// ---------------------------------------------------------------------------------------------------------------
// Elements in words

/** The body over buffers of words, and what its buffers have become. Its scalars are lowered already. */
export function packWords(body: readonly Stmt[]): { body: Stmt[]; replaced: ReadonlyMap<Buffer, Buffer> } {
  const replaced = new Map<Buffer, Buffer>();
  const wordsOf = (buffer: Buffer): Buffer => {
    if (!isNarrow(buffer) || buffer.space === "register") return buffer;
    let words = replaced.get(buffer);
    if (words === undefined) {
      words = makeBuffer(buffer.name, "uint32", wordCount(buffer), buffer.space);
      replaced.set(buffer, words);
    }
    return words;
  };
  const packed = rewriteStatements(body, {
    buffer: wordsOf,
    expr: (x, args, rewriter) =>
      x.op === "load" && wordsOf(x.buffer) !== x.buffer ? take(x, rewriter) : rebuild(x, args, rewriter),
    stored: (value, _, buffer) => (wordsOf(buffer) === buffer ? value : bitsOf(value, buffer)),
  });
  const narrow = new Map([...replaced].map(([buffer, words]) => [words, buffer]));
  return { body: mergeStores(packed, narrow), replaced };
}

const elementsPerWord = (buffer: Buffer): number => (isShared(buffer) ? WORD / bytesOf(buffer.dtype) : 1);

function wordCount(buffer: Buffer): Index {
  const elements = elementsPerWord(buffer);
  return divIndex(addIndex(buffer.size, elements - 1), elements);
}

const maskOf = (buffer: Buffer): number => 2 ** (bytesOf(buffer.dtype) * 8) - 1;

/** How far an element's bits are shifted within its word. */
const shiftOf = (index: Index, buffer: Buffer): Expr =>
  indexValue(mulIndex(modIndex(index, elementsPerWord(buffer)), bytesOf(buffer.dtype) * 8), "uint32");

/** An element out of its word: 0 where the predicate is false, as the word is. */
function take(x: LoadExpr, rewriter: Rewriter): Expr {
  const { buffer } = x;
  const index = rewriter.index(x.index);
  const valid = x.valid.map((v) => rewriter.index(v));
  const word = load(rewriter.buffer(buffer), divIndex(index, elementsPerWord(buffer)), valid);
  const bits = and(shr(word, shiftOf(index, buffer)), maskOf(buffer));
  if (buffer.dtype === "bool") return ne(bits, 0);
  if (isUnsigned(buffer.dtype)) return bitcast(bits, x.dtype);
  const above = 32 - bytesOf(buffer.dtype) * 8;
  return bitcast(shr(shl(bitcast(bits, "int32"), above), above), x.dtype);
}

/** The bits of a value to be stored, with zeros above them. */
function bitsOf(value: Expr, buffer: Buffer): Expr {
  const bits = value.dtype === "bool" ? cast(value, "uint32") : bitcast(value, "uint32");
  return and(bits, maskOf(buffer));
}

/** Stores of bits, still addressed by element, put into their words. */
function mergeStores(body: readonly Stmt[], narrow: ReadonlyMap<Buffer, Buffer>): Stmt[] {
  return body.map((s): Stmt => {
    if (s.kind === "for" || s.kind === "if") return { ...s, body: mergeStores(s.body, narrow) };
    const buffer = s.kind === "store" ? narrow.get(s.buffer) : undefined;
    return s.kind === "store" && buffer !== undefined && isShared(buffer) ? merge(s, buffer) : s;
  });
}

function merge(s: StoreStmt, buffer: Buffer): StoreStmt {
  const at = divIndex(s.index, elementsPerWord(buffer));
  const shift = shiftOf(s.index, buffer);
  const others = and(load(s.buffer, at), not(shl(constant(maskOf(buffer), "uint32"), shift)));
  return store(s.buffer, at, or(others, shl(s.value, shift)));
}
