// What takes the place of attention in models whose state does not grow: linear attention, causal convolutions.

import { recurrence } from "../../tensor/recurrence.js";
import { Tensor } from "../../tensor/tensor.js";
import type { Call, Operators, Result } from "../operator.js";
import { inHeads, joinHeads, shared } from "./attention.js";

/** A state of keys times values that every token adds to, and reads (Katharopoulos and others, 2020; Yang and others, 2024). */
function linearAttention(call: Call): Result[] {
  const heads = call.int("kv_num_heads") ?? call.fail("it needs the attribute kv_num_heads");
  const queryHeads = call.int("q_num_heads") ?? call.fail("it needs the attribute q_num_heads");
  if (call.int("state_window", 0) !== 0) call.fail("its attribute state_window must be 0");
  const rule = call.text("update_rule", "gated_delta");
  const dtype = call.tensor(0).dtype;
  const wide = (x: Tensor): Tensor => (dtype === "float64" ? x : x.cast("float32"));
  /** [b, t, heads * width] as [t, b * heads, width]. */
  const byStep = (x: Tensor): Tensor => inHeads(wide(x), heads).flatten(0, 1).transpose(0, 1);
  const [k, v] = [byStep(call.tensor(1)), byStep(call.tensor(2))];
  const [tokens, rows, keyWidth] = k.sizes;
  const valueWidth = v.sizeAt(-1);
  const gated = rule.startsWith("gated");
  const delta = rule.endsWith("delta");
  const inputs = [k, v];
  if (gated) inputs.push(byStep(call.tensor(4)).exp());
  // One rate may serve all heads.
  const rate = (x: Tensor): Tensor => (x.sizeAt(-1) === 1 ? x.expand([...x.shape.slice(0, -1), heads]) : x);
  if (delta) inputs.push(byStep(rate(call.tensor(5))));
  const start = call.has(3)
    ? wide(call.tensor(3)).reshape([rows, keyWidth * valueWidth])
    : Tensor.zeros([rows, keyWidth * valueWidth]);
  const [states] = recurrence(
    inputs.map((x) => x.contiguous()),
    [start.contiguous()],
    ([key, value, ...rest], [flatState]) => {
      const before = flatState.reshape([rows, keyWidth, valueWidth]);
      const state = gated ? before.mul(rest[0].unsqueeze(-1)) : before;
      const recalled = delta ? state.mul(key.unsqueeze(-1)).sum(1) : undefined;
      const written = recalled === undefined ? value : value.sub(recalled).mul(rest[rest.length - 1]);
      return [state.add(key.unsqueeze(-1).mul(written.unsqueeze(1))).flatten(1)];
    },
  );
  const each = states.reshape([tokens, -1, heads, keyWidth, valueWidth]).permute([1, 2, 0, 3, 4]);
  const q = inHeads(wide(call.tensor(0)), queryHeads);
  const scale = call.float("scale", 0) || 1 / Math.sqrt(q.sizeAt(-1));
  const read = q.unsqueeze(-1).mul(shared(each, queryHeads)).sum(-2).mul(scale);
  const last = each.select(2, tokens - 1);
  return [joinHeads(read).cast(dtype), last.cast(call.has(3) ? call.tensor(3).dtype : dtype)];
}

/** Each channel by itself, over the places up to now; the last places are kept for the next call. */
function causalConvolution(call: Call): Result[] {
  for (const [name, usual] of [
    ["state_window", 0],
    ["ndim", 1],
  ] as const)
    if (call.int(name, usual) !== usual) call.fail(`its attribute ${name} must be ${usual}`);
  const last = call.flag("channels_last");
  const first = (x: Tensor): Tensor => (last ? x.transpose(1, 2) : x);
  const [x, weight] = [first(call.tensor(0)), call.tensor(1)];
  const dilation = call.int("dilation", 1);
  const before = (weight.sizeAt(-1) - 1) * dilation;
  const channels = x.sizeAt(1);
  const past = call.has(3)
    ? first(call.tensor(3))
    : Tensor.zeros([x.sizeAt(0), channels, before], { dtype: x.dtype });
  const all = past.cat(2, x);
  const result = all.conv1d(weight, call.optional(2), { groups: channels, dilation });
  const activated = call.text("activation", "none") === "none" ? result : result.silu();
  return [first(activated), first(all.narrow(2, all.sizeAt(2) - before, before))];
}

export const linearAttentions: Operators = {
  LinearAttention: linearAttention,
  CausalConvWithState: causalConvolution,
};
