// Attention of the domain com.microsoft: with the products before it, with what is kept of earlier tokens, with heads of
// keys and values that several heads of queries share.

import { Tensor } from "../../tensor/tensor.js";
import type { Call, Operators, Result } from "../operator.js";
import { inHeads, joinHeads, rotated, steps } from "./attention.js";
import { rmsNormalised } from "./norms.js";

const NEVER = Number.NEGATIVE_INFINITY;

const headsOf = (call: Call, name = "num_heads"): number =>
  call.int(name) || call.fail(`it needs the attribute ${name}`);

/** Refuses what an attribute or an input asks for. */
function without(call: Call, inputs: Readonly<Record<number, string>>, flags: readonly string[] = []): void {
  for (const [i, name] of Object.entries(inputs))
    if (call.has(Number(i))) call.fail(`its input ${name} is not supported`);
  for (const name of flags) if (call.flag(name)) call.fail(`its attribute ${name} is not supported`);
}

const sumOf = (terms: readonly (Tensor | undefined)[]): Tensor | undefined =>
  terms.filter((x) => x !== undefined).reduce<Tensor | undefined>((sum, x) => sum?.add(x) ?? x, undefined);

/**
 * What a mask of padding adds to scores [b, heads, queries, keys]. It has 0 for keys that are none, [b, keys] or
 * [b, queries, keys] or with an axis of heads; or it is the number of keys of each sequence, [b], perhaps followed by the
 * numbers of the first ones.
 */
function paddingOf(call: Call, given: Tensor | undefined, batch: number, keys: number): Tensor | undefined {
  if (given === undefined) return undefined;
  const mask = given.cast("int32");
  const filter = call.float("mask_filter_value", -10000);
  const added = (seen: Tensor): Tensor => seen.where(0, filter);
  if (mask.ndim === 4) return added(mask.narrow(3, 0, keys).ne(0));
  if (mask.ndim === 3) return added(mask.unsqueeze(1).ne(0));
  if (mask.ndim === 2) return added(mask.reshape([batch, 1, 1, keys]).ne(0));
  const place = steps(keys, [1, 1, 1, keys]);
  const limit = (from: number): Tensor => mask.narrow(0, from, batch).reshape([batch, 1, 1, 1]);
  if (mask.size === batch) return added(place.lt(limit(0)));
  if (mask.size === 2 * batch) return added(place.lt(limit(0)).logicalAnd(place.ge(limit(batch))));
  return call.fail(`a mask ${mask} is not supported`);
}

/** Minus infinity for keys behind a query's own place, where the attribute says so. */
function causalOf(call: Call, queries: number, keys: number): Tensor | undefined {
  if (!call.flag("unidirectional")) return undefined;
  const place = steps(queries, [queries, 1]).add(keys - queries);
  return steps(keys, [1, keys]).le(place).where(0, NEVER);
}

/** The model's own product gives queries, keys and values. */
function attention(call: Call): Result[] {
  without(call, { 6: "past_sequence_length" }, ["do_rotary", "past_present_share_buffer"]);
  const [x, weights] = [call.tensor(0), call.tensor(1)];
  const heads = headsOf(call);
  const sizes = call.ints("qkv_hidden_sizes") ?? Array<number>(3).fill(weights.sizeAt(1) / 3);
  const product = x.matmul(weights);
  const bias = call.optional(2);
  const [q, newKeys, newValues] = (bias === undefined ? product : product.add(bias))
    .split(sizes, -1)
    .map((part) => inHeads(part, heads));
  const past = call.optional(4);
  const [k, v] = [newKeys, newValues].map((now, i) => past?.select(0, i).cat(2, now) ?? now);
  const [queries, keys] = [q.sizeAt(2), k.sizeAt(2)];
  const mask = sumOf([
    paddingOf(call, call.optional(3), x.sizeAt(0), keys),
    causalOf(call, queries, keys),
    call.optional(5),
  ]);
  const result = q.scaledDotProductAttention(k, v, { mask, scale: call.float("scale") || undefined });
  return [joinHeads(result), call.wants(1) ? Tensor.stack([k, v]) : undefined];
}

/** Queries, keys and values come apart, or packed together on an axis of their own. */
function multiHead(call: Call): Result[] {
  without(call, { 8: "past_sequence_length", 9: "cache_indirection" });
  const heads = headsOf(call);
  const query = call.tensor(0);
  const bias = call.optional(3);
  const given: Tensor[] =
    query.ndim === 5
      ? query.unbind(3).map((x) => x.transpose(1, 2))
      : [
          inHeads(query, heads),
          ...(call.tensor(1).ndim === 5
            ? call
                .tensor(1)
                .unbind(3)
                .map((x) => x.transpose(1, 2))
            : [1, 2].map((i) =>
                call.tensor(i).ndim === 4 ? call.tensor(i) : inHeads(call.tensor(i), heads),
              )),
        ];
  const biases = bias?.split(given.map((x) => heads * x.sizeAt(-1)));
  // Keys and values that come in heads have theirs.
  const [q, newKeys, newValues] = given.map((x, i) =>
    biases === undefined || (i > 0 && call.inputs[i] !== undefined && call.tensor(i).ndim === 4)
      ? x
      : x.add(biases[i].reshape([heads, 1, x.sizeAt(-1)])),
  );
  const k = call.optional(6)?.cat(2, newKeys) ?? newKeys;
  const v = call.optional(7)?.cat(2, newValues) ?? newValues;
  const [queries, keys] = [q.sizeAt(2), k.sizeAt(2)];
  const mask = sumOf([
    paddingOf(call, call.optional(4), q.sizeAt(0), keys),
    causalOf(call, queries, keys),
    call.optional(5),
  ]);
  const result = q.scaledDotProductAttention(k, v, { mask, scale: call.float("scale") || undefined });
  return [joinHeads(result), k, v];
}

/** Rows of caches of cosines and sines [places, width / 2] at positions [b, length], for heads [b, heads, length, width]. */
function turned(x: Tensor, positions: Tensor, caches: readonly Tensor[], interleaved: boolean): Tensor {
  const [cosines, sines] = caches.map((cache) =>
    cache
      .indexSelect(0, positions.ravel())
      .reshape([...positions.shape, cache.sizeAt(1)])
      .unsqueeze(1),
  );
  return rotated(x, cosines, sines, { width: 2 * caches[0].sizeAt(1), interleaved });
}

function rotaryEmbedding(call: Call): Tensor {
  const [x, ids, ...caches] = [0, 1, 2, 3].map((i) => call.tensor(i));
  const flat = x.ndim === 3;
  // Where only a part of each head is turned, the caches do not tell its width.
  const heads = flat ? inHeads(x, call.int("num_heads", 0) || x.sizeAt(-1) / (2 * caches[0].sizeAt(1))) : x;
  const length = heads.sizeAt(2);
  const positions =
    ids.ndim === 2 ? ids.cast("int32") : steps(length, [1, length]).add(ids.cast("int32").reshape([1, 1]));
  const result = turned(heads, positions, caches, call.flag("interleaved"));
  return flat ? joinHeads(result) : result;
}

/** What is kept of earlier tokens, [b, heads, room, width], with the new ones behind those that there were. */
function kept(past: Tensor | undefined, now: Tensor, before: Tensor, total: number): Tensor {
  const length = now.sizeAt(2);
  const room = past?.sizeAt(2) ?? 0;
  // One sequence without spare room, or nothing before.
  if (room === 0 || (now.sizeAt(0) === 1 && room + length === total)) return past?.cat(2, now) ?? now;
  const size = Math.max(room, total);
  const old = past!.pad([
    [0, 0],
    [0, 0],
    [0, size - room],
    [0, 0],
  ]);
  const place = steps(size, [1, 1, size, 1]).sub(before.reshape([-1, 1, 1, 1]));
  const index = place.clamp(0, length - 1).expand([now.sizeAt(0), now.sizeAt(1), size, now.sizeAt(3)]);
  const older = place.lt(0).where(old, 0);
  return place.ge(0).logicalAnd(place.lt(length)).where(now.gather(2, index), older);
}

/** Attention of decoders: sequences go on from where their keys and values are kept. */
function groupQuery(call: Call): Result[] {
  without(call, { 12: "k_scale", 13: "v_scale" }, ["sliding_window_cache", "qk_output"]);
  const [heads, kvHeads] = [headsOf(call), headsOf(call, "kv_num_heads")];
  const query = call.tensor(0);
  const width = query.sizeAt(-1) / (call.has(1) ? heads : heads + 2 * kvHeads);
  const parts = call.has(1)
    ? [query, call.tensor(1), call.tensor(2)]
    : query.split([heads * width, kvHeads * width, kvHeads * width], -1);
  const [q, k, v] = parts.map((x, i) => inHeads(x, i === 0 ? heads : kvHeads));
  const [batch, , length] = q.sizes;
  const total = call.number(6);
  // Before the first tokens there are none, however short a sequence is.
  const lengths = call.tensor(5).cast("int32").reshape([batch]).add(1);
  const before = total === length ? lengths.zerosLike() : lengths.sub(length);
  const positions = steps(length, [1, length]).add(before.reshape([batch, 1]));
  const normalised = (x: Tensor, i: number): Tensor => {
    if (!call.has(i)) return x;
    const eps = call.float("qk_norm_epsilon", 1e-6);
    return rmsNormalised(x, call.tensor(i), { eps, wide: "float32" })[0];
  };
  const rotary = (x: Tensor): Tensor => {
    if (!call.flag("do_rotary")) return x;
    const ids = call.optional(9)?.cast("int32") ?? positions;
    return turned(x, ids, [call.tensor(7), call.tensor(8)], call.flag("rotary_interleaved"));
  };
  const queries = rotary(normalised(q, 14));
  const presentKeys = kept(call.optional(3), rotary(normalised(k, 15)), before, total);
  const presentValues = kept(call.optional(4), v, before, total);
  const size = presentKeys.sizeAt(2);
  const key = steps(size, [1, 1, 1, size]);
  const place = positions.reshape([batch, 1, length, 1]);
  const rules: Tensor[] = [];
  if (call.flag("causal", true)) rules.push(key.le(place));
  else rules.push(key.lt(lengths.reshape([batch, 1, 1, 1])));
  const window = call.int("local_window_size", -1);
  if (window >= 0) rules.push(key.gt(place.sub(window)));
  const seen = rules.reduce((a, b) => a.logicalAnd(b)).where(0, NEVER);
  const added = call.optional(10);
  // It may end before what is kept does.
  const bias = added?.pad(
    added.shape.map((_, i): [number, number] => [0, i === 3 ? size - added.sizeAt(3) : 0]),
  );
  const softcap = call.float("softcap", 0) || undefined;
  const scale = call.float("scale", 0) || 1 / Math.sqrt(width);
  const mask = sumOf([seen, bias])!;
  const result = queries.scaledDotProductAttention(presentKeys, presentValues, {
    mask,
    scale,
    softcap,
    enableGqa: true,
  });
  const sink = call.optional(11) ?? (call.int("smooth_softmax", -1) > 0 ? Tensor.zeros([heads]) : undefined);
  if (sink === undefined) return [joinHeads(result), presentKeys, presentValues];
  // One more score among those that weights are shares of.
  const group = heads / kvHeads;
  const wide = (x: Tensor): Tensor => x.cast("float32");
  const raw = wide(queries).matmul(wide(presentKeys).repeatInterleave(group, 1).transpose(2, 3)).mul(scale);
  const scores = (softcap === undefined ? raw : raw.div(softcap).tanh().mul(softcap)).add(mask);
  const share = scores
    .logsumexp(-1, { keepdim: true })
    .sub(wide(sink).reshape([heads, 1, 1]))
    .sigmoid();
  return [joinHeads(wide(result).mul(share).cast(query.dtype)), presentKeys, presentValues];
}

export const microsoftAttentions: Operators = {
  Attention: attention,
  MultiHeadAttention: multiHead,
  GroupQueryAttention: groupQuery,
  RotaryEmbedding: rotaryEmbedding,
};
