// Norms of the domain com.microsoft: after a sum, after tables are read, of channels that come last.

import { accumulationType } from "../../tensor/reduction.js";
import type { Tensor } from "../../tensor/tensor.js";
import type { Call, Operators, Result } from "../operator.js";
import { layerNormalised, rmsNormalised, type RowsOptions } from "./norms.js";

const rowsOf = (call: Call, x: Tensor, eps = 1e-12): RowsOptions => ({
  eps: call.float("epsilon", eps),
  wide: accumulationType(x.dtype),
});

const plus = (x: Tensor, y: Tensor | undefined): Tensor => (y === undefined ? x : x.add(y));

/** Of x + skip + bias; that sum comes last. */
function skipLayer(call: Call): Result[] {
  const sum = plus(call.tensor(0).add(call.tensor(1)), call.optional(4));
  return [...layerNormalised(sum, call.tensor(2), call.optional(3), rowsOf(call, sum)), sum];
}

function skipSimplified(call: Call): Result[] {
  const sum = plus(call.tensor(0).add(call.tensor(1)), call.optional(3));
  const [y, inverse] = rmsNormalised(sum, call.tensor(2), rowsOf(call, sum));
  return [y, undefined, inverse, sum];
}

/** Rows of tables of words, places and segments, added up; also how many words the mask leaves. */
function embedLayer(call: Call): Result[] {
  const ids = call.tensor(0);
  const rows = (table: Tensor, indices: Tensor): Tensor =>
    table.indexSelect(0, indices.cast("int32").ravel()).reshape([...indices.shape, table.sizeAt(1)]);
  const [batch, length] = ids.sizes;
  const words = rows(call.tensor(2), ids);
  const positions = call.has(8) ? rows(call.tensor(3), call.tensor(8)) : call.tensor(3).narrow(0, 0, length);
  const segments = call.has(1) && call.has(4) ? rows(call.tensor(4), call.tensor(1)) : undefined;
  const sum = plus(words.add(positions), segments);
  const [y] = layerNormalised(sum, call.tensor(5), call.tensor(6), rowsOf(call, sum));
  const counts =
    call.optional(7)?.sum(1).cast("int32") ?? ids.zerosLike().cast("int32").narrow(1, 0, 1).reshape([batch]);
  return [y, counts, sum];
}

/** Of groups of channels, which come last unless the attribute says so; with x sigmoid(x) behind if asked. */
function grouped(call: Call, x: Tensor): Tensor {
  const last = call.flag("channels_last", true);
  const groups = call.int("groups") ?? call.fail("it needs the attribute groups");
  const wide = (last ? x.moveaxis(-1, 1) : x).cast(accumulationType(x.dtype));
  const y = wide.groupNorm(groups, {
    weight: call.tensor(1),
    bias: call.tensor(2),
    eps: call.float("epsilon", 1e-5),
  });
  const activated = call.flag("activation") ? y.silu() : y;
  return (last ? activated.moveaxis(1, -1) : activated).cast(x.dtype);
}

/** Of x + skip + bias, [batch, height, width, channels]; that sum comes second. */
function skipGroup(call: Call): Result[] {
  const skip = call.tensor(3);
  const sum = plus(
    call.tensor(0).add(skip.ndim === 2 ? skip.unsqueeze(1).unsqueeze(1) : skip),
    call.optional(4),
  );
  return [grouped(call, sum), sum];
}

export const microsoftNorms: Operators = {
  SimplifiedLayerNormalization: (call) =>
    rmsNormalised(call.tensor(0), call.tensor(1), rowsOf(call, call.tensor(0), 1e-5)),
  SkipLayerNormalization: skipLayer,
  SkipSimplifiedLayerNormalization: skipSimplified,
  EmbedLayerNormalization: embedLayer,
  GroupNorm: (call) => grouped(call, call.tensor(0)),
  SkipGroupNorm: skipGroup,
  BiasAdd: (call) => call.tensor(0).add(call.tensor(1)).add(call.tensor(2)),
};
