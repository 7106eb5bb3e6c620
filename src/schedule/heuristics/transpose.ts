// Elementwise nests that read along one loop and write along another: transposed copies and whatever is fused around
// them. Tiles as wide as a vector both ways: the loop that is read along is unrolled, lanes run along the one that is
// written along, and lowering transposes the tile in registers (lower/gathers.ts). Where a vector is narrower than a
// line of the cache, tiles come in blocks of a line both ways, so that no line is fetched twice.

import { type LoopAtom, strideOf } from "../../kernel/index.js";
import { loadsOf, type Stmt } from "../../kernel/ir.js";
import { bytesOf } from "../../scalar/dtype.js";
import { type Chain, chainOf, isUnitStride, tripsOf } from "../nest.js";
import type { Draft } from "./draft.js";
import { isStreamed } from "./stream.js";
import { fillable, lanesFor, vectorizeLoop } from "./vectors.js";

/** Bytes of a line of the cache. */
const LINE = 64;
/** Fewer lanes are not worth transposing. */
const FEWEST_LANES = 4;

interface Transposition {
  /** The loop that memory is written along. */
  readonly written: LoopAtom;
  /** The loop that memory is read along. */
  readonly read: LoopAtom;
  readonly width: number;
  /** Vectors of a line. */
  readonly vectors: number;
  /** Only what is transposed is read, and what is written goes past the caches. */
  readonly streams: boolean;
}

/** How a nest transposes, if it does; `written` is the loop along which its vectors would run. */
export function transpositionOf(
  draft: Draft,
  { loops, body }: Chain,
  written: LoopAtom,
): Transposition | undefined {
  const [only] = body;
  if (body.length !== 1 || only.kind !== "store" || strideOf(only.index, written) !== 1) return undefined;
  for (const { atom: read } of loops) {
    if (read === written || !body.every((s) => isTile(s, read))) continue;
    const width = fillable(lanesFor(draft, body), Math.min(tripsOf(read), tripsOf(written)));
    if (width < FEWEST_LANES || !loadsOf(body).some((x) => isTransposed(x, read, written))) continue;
    const line = Math.floor(LINE / bytesOf(only.buffer.dtype) / width);
    const streams = isStreamed(draft, only.buffer) && !loadsOf(body).some((x) => isUnitStride(x, written));
    const most = Math.floor(Math.min(tripsOf(read), tripsOf(written)) / width);
    return { written, read, width, vectors: fillable(Math.max(1, line), most), streams };
  }
  return undefined;
}

/** True if every row of a tile is written somewhere of its own. */
const isTile = (s: Stmt, read: LoopAtom): boolean =>
  s.kind === "store" && (strideOf(s.index, read) ?? 0) !== 0;

function isTransposed(x: ReturnType<typeof loadsOf>[number], read: LoopAtom, written: LoopAtom): boolean {
  const stride = strideOf(x.index, written);
  return isUnitStride(x, read) && stride !== undefined && Math.abs(stride) > 2;
}

export function scheduleTransposition(draft: Draft, { loops }: Chain, t: Transposition, top: boolean): void {
  const [read, written] = [t.read.name, t.written.name];
  const block = t.width * t.vectors;
  const first = loops[0].atom.name;
  if (!draft.apply({ action: "split", loop: read, factor: block, tail: "peel" })) return;
  draft.apply({ action: "split", loop: written, factor: block, tail: "peel" });
  let [rows, lanes] = [`${read}i`, `${written}i`];
  if (t.vectors > 1) {
    draft.apply({ action: "split", loop: rows, factor: t.width, tail: "peel" });
    draft.apply({ action: "split", loop: lanes, factor: t.width, tail: "peel" });
    draft.apply({ action: "reorder", loop: `${rows}o`, inside: `${written}o` });
    [rows, lanes] = [`${rows}i`, `${lanes}i`];
  }
  draft.apply({ action: "unroll", loop: rows });
  draft.apply({ action: "vectorize", loop: lanes });
  draft.apply({ action: "reorder", loop: rows });
  draft.apply({ action: "reorder", loop: lanes });
  // Scattered reads overtake each other, scattered writes wait: written rows run on, unless they go past the caches.
  if (t.streams) draft.apply({ action: "reorder", loop: `${read}o`, inside: `${written}o` });
  finishRests(draft, t);
  if (!top) return;
  for (const s of [...draft.kernel.body]) {
    if (s.kind !== "for") continue;
    const chain = chainOf(s);
    const belongs = chain.loops.some(
      ({ atom }) => atom.name.startsWith(read) || atom.name.startsWith(written),
    );
    if (!belongs && s.atom.name !== first) continue;
    draft.apply({ action: "parallel", loop: s.atom.name });
    const [, second] = chain.loops;
    if (second !== undefined && tripsOf(s.atom) < 8 * draft.target.threads && s.body.length === 1)
      draft.apply({ action: "parallel", loop: second.atom.name });
  }
}

/** What is left over of either loop is vectorised along the other, where that is long enough. */
function finishRests(draft: Draft, { read, written, width }: Transposition): void {
  const restOfRows = `${written.name}_${read.name}t`;
  if (draft.loop(restOfRows) !== undefined) vectorizeLoop(draft, restOfRows, width, 1, false);
}
