// Attention, and rotations by position. Written out as products, masks and a softmax: that it runs as one kernel is the
// schedule's work.

import { accumulationType } from "../../tensor/reduction.js";
import { Tensor } from "../../tensor/tensor.js";
import type { Call, Operators, Result } from "../operator.js";
import { heldAs } from "../types.js";

const NEVER = Number.NEGATIVE_INFINITY;

/** [b, s, heads * width] as [b, heads, s, width]. */
export const inHeads = (x: Tensor, heads: number): Tensor =>
  x.unflatten(-1, [heads, x.sizeAt(-1) / heads]).transpose(1, 2);

/** The inverse: [b, heads, s, width] as [b, s, heads * width]. */
export const joinHeads = (x: Tensor): Tensor => x.transpose(1, 2).flatten(2);

/** Each head as often as there are queries' heads for it. */
export const shared = (x: Tensor, heads: number): Tensor =>
  x.sizeAt(1) === heads ? x : x.repeatInterleave(heads / x.sizeAt(1), 1);

/** 0, 1, 2 .. in a shape. */
export const steps = (count: number, shape: readonly number[]): Tensor =>
  Tensor.arange(count, undefined, 1, { dtype: "int32" }).reshape([...shape]);

/**
 * Which keys a query may see, [.., queries, keys], true for those; undefined if it is all. A query's place is its number among
 * the queries after `offset` keys before them.
 */
function visible(call: Call, queries: number, keys: number, offset: Tensor | number): Tensor | undefined {
  const [left, right] = [call.int("left_window_size", -1), call.int("right_window_size", -1)];
  const place = steps(queries, [queries, 1]).add(offset);
  const key = steps(keys, [1, keys]);
  const rules: Tensor[] = [];
  if (call.flag("is_causal")) rules.push(key.le(place));
  if (left >= 0) rules.push(key.ge(place.sub(left)));
  if (right >= 0) rules.push(key.le(place.add(right)));
  return rules.length === 0 ? undefined : rules.reduce((a, b) => a.logicalAnd(b));
}

/** What is added to the scores: 0 or a float mask's elements, and minus infinity for keys that may not be seen. */
function biasOf(
  call: Call,
  dtype: Tensor["dtype"],
  queries: number,
  keys: number,
  past: number,
): Tensor | undefined {
  const mask = call.optional(3);
  const lengths = call.optional(6)?.cast("int32").reshape([-1, 1, 1, 1]);
  const offset = lengths !== undefined && past === 0 ? lengths.sub(queries) : past;
  const rules: Tensor[] = [];
  const seen = visible(call, queries, keys, offset);
  if (seen !== undefined) rules.push(seen);
  if (lengths !== undefined) rules.push(steps(keys, [1, 1, 1, keys]).lt(lengths));
  let added: Tensor | undefined;
  if (mask !== undefined) {
    // A mask may leave the last keys out, which then are not seen.
    const missing = keys - mask.sizeAt(-1);
    const around = mask.shape.map((_, axis): [number, number] => [0, axis === mask.ndim - 1 ? missing : 0]);
    if (mask.dtype === "bool") rules.push(mask.pad(around));
    else added = mask.pad(around, { value: NEVER }).cast(dtype);
  }
  if (rules.length === 0) return added;
  const allowed = rules.reduce((a, b) => a.logicalAnd(b));
  return allowed.where(added ?? Tensor.zeros([], { dtype }), Tensor.full([], NEVER, { dtype }));
}

function attention(call: Call): Result[] {
  const flat = call.tensor(0).ndim === 3;
  const heads = (i: number, name: string): Tensor => {
    const x = call.tensor(i);
    return flat ? inHeads(x, call.int(name) ?? call.fail(`it needs the attribute ${name}`)) : x;
  };
  const q = heads(0, "q_num_heads");
  const [newKeys, newValues] = [heads(1, "kv_num_heads"), heads(2, "kv_num_heads")];
  const past = call.has(4) ? call.tensor(4).sizeAt(2) : 0;
  const k = call.has(4) ? call.tensor(4).cat(2, newKeys) : newKeys;
  const v = call.has(5) ? call.tensor(5).cat(2, newValues) : newValues;
  const [queries, keys] = [q.sizeAt(2), k.sizeAt(2)];
  const scale = Math.sqrt(call.float("scale") || 1 / Math.sqrt(q.sizeAt(-1)));
  // Halves are rounded at the end only.
  const wide = accumulationType(q.dtype);
  const part = (x: Tensor): Tensor => x.cast(wide).mul(scale);
  const raw = part(q).matmul(shared(part(k), q.sizeAt(1)).transpose(2, 3));
  const cap = call.float("softcap", 0);
  const capped = cap === 0 ? raw : raw.div(cap).tanh().mul(cap);
  const bias = biasOf(call, raw.dtype, queries, keys, past);
  const biased = bias === undefined ? capped : capped.add(bias);
  const precision = call.typeAttribute("softmax_precision");
  const scores = precision === undefined ? biased : biased.cast(heldAs(precision));
  const weights = scores.softmax(-1);
  // Of a query that sees no key nothing is given.
  const blind = bias?.max(-1, { keepdim: true }).eq(NEVER);
  const probabilities = (blind === undefined ? weights : blind.where(0, weights)).cast(wide);
  const result = probabilities.matmul(shared(v.cast(wide), q.sizeAt(1))).cast(q.dtype);
  const shown = [raw, capped, biased, probabilities][call.int("qk_matmul_output_mode", 0)];
  return [flat ? joinHeads(result) : result, k, v, shown?.cast(q.dtype)];
}

/** Pairs of a head's elements turned by angles that grow with the position (Su and others, 2021). */
export function rotated(
  x: Tensor,
  cosines: Tensor,
  sines: Tensor,
  { width, interleaved }: { width: number; interleaved: boolean },
): Tensor {
  const turned = x.narrow(-1, 0, width);
  const half = width / 2;
  const [a, b] = interleaved
    ? turned.unflatten(-1, [half, 2]).unbind(-1)
    : [turned.narrow(-1, 0, half), turned.narrow(-1, half, half)];
  const [real, imaginary] = [cosines.mul(a).sub(sines.mul(b)), sines.mul(a).add(cosines.mul(b))];
  const joined = interleaved ? Tensor.stack([real, imaginary], -1).flatten(-2) : real.cat(-1, imaginary);
  return width === x.sizeAt(-1) ? joined : joined.cat(-1, x.narrow(-1, width, x.sizeAt(-1) - width));
}

function rotaryEmbedding(call: Call): Tensor {
  const x = call.tensor(0);
  const flat = x.ndim === 3;
  const heads = flat ? inHeads(x, call.int("num_heads") ?? call.fail("it needs the attribute num_heads")) : x;
  const positions = call.optional(3);
  const at = (cache: Tensor): Tensor => {
    const rows =
      positions === undefined
        ? cache
        : cache
            .indexSelect(0, positions.cast("int32").ravel())
            .reshape([...positions.shape, cache.sizeAt(-1)]);
    return rows.unsqueeze(1);
  };
  const width = call.int("rotary_embedding_dim", 0) || heads.sizeAt(-1);
  const result = rotated(heads, at(call.tensor(1)), at(call.tensor(2)), {
    width,
    interleaved: call.flag("interleaved"),
  });
  return flat ? joinHeads(result) : result;
}

export const attentions: Operators = {
  Attention: attention,
  RotaryEmbedding: rotaryEmbedding,
};
