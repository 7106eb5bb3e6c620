// Operators that read and write elements at places that are data.

import { Tensor } from "../../tensor/tensor.js";
import type { Reduction } from "../../tensor/assignment.js";
import { moved } from "../moving.js";
import type { Call, Operators } from "../operator.js";
import { TensorValue, type Value } from "../value.js";

/** Places as int32, negative ones counted from the end of an axis. */
function placesFrom(index: Tensor, length: number): Tensor {
  const places = index.cast("int32");
  return places.lt(0).where(places.add(length), places);
}

/** Slices of an axis at the index's places, in the index's shape. */
function gather(call: Call, x: Tensor): Tensor {
  const axis = call.axis(call.int("axis", 0), x.ndim);
  const index = call.tensor(1);
  const places = placesFrom(index, x.sizeAt(axis));
  const taken = x.indexSelect(axis, places.ravel());
  return taken.reshape([...x.sizes.slice(0, axis), ...index.sizes, ...x.sizes.slice(axis + 1)]);
}

function gatherElements(call: Call, x: Tensor): Tensor {
  const axis = call.axis(call.int("axis", 0), x.ndim);
  return x.gather(axis, placesFrom(call.tensor(1), x.sizeAt(axis)));
}

/** The flat places that the last axis of an index means in tensors of these sizes. */
function flatPlaces(index: Tensor, sizes: readonly number[]): Tensor {
  return sizes
    .map((size, axis) => {
      const stride = sizes.slice(axis + 1).reduce((n, d) => n * d, 1);
      return placesFrom(index.select(-1, axis), size).mul(stride);
    })
    .reduce((sum, part) => sum.add(part));
}

/** What the index's last axis names: elements, or slices along the axes that it leaves open. */
function gatherND(call: Call, x: Tensor): Tensor {
  const index = call.tensor(1);
  const batchAxes = call.int("batch_dims", 0);
  const named = index.sizeAt(-1);
  const batch = x.sizes.slice(0, batchAxes).reduce((n, d) => n * d, 1);
  const axes = x.sizes.slice(batchAxes, batchAxes + named);
  const slice = x.sizes.slice(batchAxes + named);
  const count = index.sizes.slice(batchAxes, -1).reduce((n, d) => n * d, 1);
  const length = axes.reduce((n, d) => n * d, 1);
  const places = flatPlaces(index.reshape([batch, count, named]), axes);
  const rows = Tensor.arange(batch, undefined, 1, { dtype: "int32" }).mul(length).reshape([batch, 1]);
  const table = x.reshape([batch * length, slice.reduce((n, d) => n * d, 1)]);
  return table.indexSelect(0, places.add(rows).ravel()).reshape([...index.sizes.slice(0, -1), ...slice]);
}

const JOINS: Readonly<Record<string, Reduction>> = { add: "sum", mul: "prod", max: "amax", min: "amin" };

function scatterElements(call: Call, x: Tensor): Tensor {
  const axis = call.axis(call.int("axis", 0), x.ndim);
  const places = placesFrom(call.tensor(1), x.sizeAt(axis));
  const reduction = call.text("reduction", "none");
  if (reduction === "none") return x.scatter(axis, places, call.tensor(2));
  const join = JOINS[reduction] ?? call.fail(`there is no reduction "${reduction}"`);
  return x.scatterReduce(axis, places, call.tensor(2), join);
}

function scatterND(call: Call, x: Tensor): Tensor {
  const index = call.tensor(1);
  const named = index.sizeAt(-1);
  const axes = x.sizes.slice(0, named);
  const slice = x.sizes.slice(named).reduce((n, d) => n * d, 1);
  const table = x.reshape([axes.reduce((n, d) => n * d, 1), slice]);
  const places = flatPlaces(index, axes).ravel();
  const rows = places.unsqueeze(1).expand([places.size, slice]);
  const values = call.tensor(2).reshape([places.size, slice]);
  const reduction = call.text("reduction", "none");
  if (reduction === "none") return table.scatter(0, rows, values).reshape(x.shape);
  const join = JOINS[reduction] ?? call.fail(`there is no reduction "${reduction}"`);
  return table.scatterReduce(0, rows, values, join).reshape(x.shape);
}

/** Values written into a cache along an axis, each batch from a place of its own, around its end if so asked. */
function tensorScatter(call: Call, cache: Tensor): Tensor {
  const axis = call.axis(call.int("axis", -2), cache.ndim);
  const update = call.tensor(1);
  const start = call.optional(2)?.cast("int32") ?? Tensor.zeros([cache.sizeAt(0)], { dtype: "int32" });
  const along = (at: number): number[] => cache.shape.map((_, i) => (i === at ? -1 : 1));
  const steps = Tensor.arange(update.sizeAt(axis), undefined, 1, { dtype: "int32" }).reshape(along(axis));
  const places = start.reshape(along(0)).add(steps);
  const length = cache.sizeAt(axis);
  const around = call.text("mode", "linear") === "circular" ? places.remainder(length) : places;
  return cache.scatter(axis, around.expand(update.shape), update);
}

/** Two values: one where the index names a class, the other elsewhere. Places out of range name none. */
function oneHot(call: Call): Value {
  const index = call.tensor(0);
  const depth = Math.trunc(call.number(1));
  const values = call.tensor(2);
  const axis = call.axis(call.int("axis", -1), index.ndim + 1);
  const classes = Tensor.arange(depth, undefined, 1, { dtype: "int32" });
  const wanted = index.cast("int32").unsqueeze(axis);
  const own = wanted.lt(0).where(wanted.add(depth), wanted);
  const shape = Array.from({ length: index.ndim + 1 }, (_, i) => (i === axis ? depth : 1));
  const hit = own.eq(classes.reshape(shape));
  return TensorValue.of(hit.where(values.select(0, 1), values.select(0, 0)), call.typed(2).type);
}

/** The k largest or smallest elements of each row, and their places. */
function topK(call: Call): Value[] {
  const x = call.tensor(0);
  const k = call.version >= 10 ? call.number(1) : (call.int("k") ?? call.fail("it needs the attribute k"));
  const axis = call.axis(call.int("axis", -1), x.ndim);
  const { values, indices } = x.topk(k, { axis, largest: call.flag("largest", true) });
  return [TensorValue.of(values, call.typed(0).type), TensorValue.of(indices.cast("int64"))];
}

export const indexing: Operators = {
  Gather: moved(gather),
  GatherElements: moved(gatherElements),
  GatherND: moved(gatherND),
  Scatter: moved(scatterElements),
  ScatterElements: moved(scatterElements),
  ScatterND: moved(scatterND),
  TensorScatter: moved(tensorScatter),
  OneHot: oneHot,
  TopK: topK,
};
