// ai.onnx.ml: preparing features. Labels to numbers and back, missing values, scales, indicators, linear models.

import { Tensor } from "../../tensor/tensor.js";
import type { Call, ControlOperator, Label, Operators, Request, Result } from "../operator.js";
import { StringsValue, TensorValue, type Value } from "../value.js";

/** Elements of a value that the host knows; of floats, as JavaScript has them. */
function labelsOf(call: Call, value: Value): { readonly labels: Label[]; readonly shape: readonly number[] } {
  if (value.kind === "strings") return { labels: [...value.strings], shape: value.shape };
  if (value.kind !== "tensor") return call.fail("its input must be a tensor");
  return { labels: Array.from(call.elements(value) as ArrayLike<number | bigint>), shape: value.shape };
}

/** Labels of one kind as a value of a shape. */
function labelValue(
  labels: readonly Label[],
  shape: readonly number[],
  kind: "strings" | "int64s" | "floats",
): Value {
  if (kind === "strings") return new StringsValue(labels.map(String), shape);
  if (kind === "int64s")
    return TensorValue.ofIntegers(
      labels.map((x) => BigInt(x)),
      { shape },
    );
  return TensorValue.of(Tensor.from(Float32Array.from(labels, Number), { shape: [...shape] }));
}

/** What is equal as a key: NaN is, to itself. */
const keyOf = (label: Label): string => (typeof label === "string" ? `s${label}` : `${label}`);

const KINDS = ["strings", "int64s", "floats"] as const;

/** A list that one of several attributes gives, or a tensor. */
function listed(
  call: Call,
  prefix: string,
): { labels: Label[]; kind: (typeof KINDS)[number]; tensor?: TensorValue } {
  const tensor = call.tensorAttribute(`${prefix}_tensor`);
  if (tensor !== undefined) {
    const { labels } = labelsOf(call, tensor);
    return {
      labels,
      kind: tensor.kind === "strings" ? "strings" : "floats",
      tensor: tensor.kind === "tensor" ? tensor : undefined,
    };
  }
  for (const kind of KINDS) {
    const list = call.labels(`${prefix}_${kind}`);
    if (list !== undefined) return { labels: list, kind };
  }
  return call.fail(`it has none of the attributes ${prefix}_...`);
}

/** Each element by what stands beside it in a table, or by a default. */
function labelEncoder(call: Call): Value {
  const input = labelsOf(call, call.value(0));
  if (call.version < 2) {
    const classes = call.texts("classes_strings") ?? [];
    if (call.value(0).kind !== "strings")
      return labelValue(
        input.labels.map((x) => classes[Number(x)] ?? call.text("default_string", "_Unused")),
        input.shape,
        "strings",
      );
    const places = input.labels.map((x) => {
      const at = classes.indexOf(String(x));
      return at < 0 ? call.int("default_int64", -1) : at;
    });
    return labelValue(places, input.shape, "int64s");
  }
  const [keys, values] = [listed(call, "keys"), listed(call, "values")];
  const table = new Map(keys.labels.map((key, i) => [keyOf(key), values.labels[i]]));
  const given = call.tensorAttribute("default_tensor");
  const otherwise: Label =
    given !== undefined
      ? labelsOf(call, given).labels[0]
      : values.kind === "strings"
        ? call.text("default_string", "_Unused")
        : values.kind === "int64s"
          ? call.int("default_int64", -1)
          : call.float("default_float", 0);
  const found = input.labels.map((x) => table.get(keyOf(x)) ?? otherwise);
  if (values.tensor === undefined) return labelValue(found, input.shape, values.kind);
  const { type } = values.tensor;
  if (type === "int64") return labelValue(found, input.shape, "int64s");
  const numbers = Tensor.from(Float64Array.from(found, Number), { shape: [...input.shape] });
  return TensorValue.of(numbers.cast(values.tensor.tensor.dtype), type);
}

/** Strings to integers or integers to strings, by two lists. */
function categoryMapper(call: Call): Value {
  const input = labelsOf(call, call.value(0));
  const [integers, texts] = [call.labels("cats_int64s") ?? [], call.texts("cats_strings") ?? []];
  if (call.value(0).kind === "strings") {
    const table = new Map(texts.map((text, i) => [text, integers[i]]));
    const otherwise = call.int("default_int64", -1);
    return labelValue(
      input.labels.map((x) => table.get(String(x)) ?? otherwise),
      input.shape,
      "int64s",
    );
  }
  const table = new Map(integers.map((integer, i) => [keyOf(integer), texts[i]]));
  const otherwise = call.text("default_string", "_Unused");
  return labelValue(
    input.labels.map((x) => table.get(keyOf(x)) ?? otherwise),
    input.shape,
    "strings",
  );
}

/** Along a new axis, one for the place of each element among the categories. */
function oneHotEncoder(call: Call): Result {
  const texts = call.texts("cats_strings");
  const categories: readonly Label[] =
    texts ?? call.labels("cats_int64s") ?? call.fail("it needs categories");
  const value = call.value(0);
  const strict = !call.flag("zeros", true);
  if (value.kind === "tensor") {
    const names = Tensor.from(BigInt64Array.from(categories, (x) => BigInt(x)));
    if (strict) {
      const known = Array.from(call.known(0) as ArrayLike<number | bigint>, (x) =>
        BigInt(Math.trunc(Number(x))),
      );
      if (known.some((x) => !categories.some((y) => BigInt(y) === x)))
        call.fail("an element is none of its categories");
    }
    return value.tensor.cast("int64").unsqueeze(-1).eq(names).cast("float32");
  }
  const { labels, shape } = labelsOf(call, value);
  const rows = labels.map((x) => {
    const at = categories.indexOf(x);
    if (at < 0 && strict) call.fail(`"${x}" is none of its categories`);
    return categories.map((_, i): number => (i === at ? 1 : 0));
  });
  return Tensor.from(Float32Array.from(rows.flat()), { shape: [...shape, categories.length] });
}

/** Missing values replaced, one for all features or one for each. */
function imputer(call: Call): Tensor {
  const x = call.tensor(0);
  const values = call.floats("imputed_value_floats") ?? call.ints("imputed_value_int64s");
  if (values === undefined) return call.fail("it needs values to put in");
  const missing = call.float("replaced_value_float") ?? call.int("replaced_value_int64", 0);
  const holes = Number.isNaN(missing) ? x.isnan() : x.eq(missing);
  return holes.where(Tensor.from(Float64Array.from(values)).cast(x.dtype), x);
}

const row = (numbers: readonly number[]): Tensor => Tensor.from(Float32Array.from(numbers));

/** Each row divided by its largest size, its sum of sizes, or its length; rows of zeros stay. */
function normalizer(call: Call): Tensor {
  const x = call.tensor(0).cast("float32");
  const norm = call.text("norm", "MAX");
  const size =
    norm === "MAX"
      ? x.max(-1, { keepdim: true })
      : norm === "L1"
        ? x.abs().sum(-1, { keepdim: true })
        : x.square().sum(-1, { keepdim: true }).sqrt();
  const none = size.eq(0);
  return x.div(none.where(1, size));
}

/** Columns side by side, as floats. */
function featureVectorizer(call: Call): Tensor {
  const widths = call.ints("inputdimensions");
  const columns = call.tensors().map((x, i) => {
    const matrix = (x.ndim === 1 ? x.unsqueeze(0) : x).cast("float32");
    const width = widths?.[i] ?? matrix.sizeAt(1);
    return matrix.pad([
      [0, 0],
      [0, width - matrix.sizeAt(1)],
    ]);
  });
  return Tensor.concat(columns, 1);
}

/** Scores made probabilities. */
export function postTransformed(call: Call, scores: Tensor, name: string): Tensor {
  if (name === "NONE") return scores;
  if (name === "LOGISTIC") return scores.sigmoid();
  if (name === "SOFTMAX") return scores.softmax(-1);
  if (name === "SOFTMAX_ZERO") {
    // Scores of zero stay.
    const there = scores.ne(0);
    const powers = there.where(scores.sub(scores.max(-1, { keepdim: true })).exp(), 0);
    const sums = powers.sum(-1, { keepdim: true });
    return powers.div(sums.eq(0).where(1, sums));
  }
  if (name === "PROBIT") return scores.mul(2).sub(1).erfinv().mul(Math.SQRT2);
  return call.fail(`there is no post_transform "${name}"`);
}

function linearScores(call: Call, targets: number): Tensor {
  const x = call.tensor(0).cast("float32");
  const weights = call.floats("coefficients") ?? call.fail("it needs coefficients");
  const matrix = Tensor.from(Float32Array.from(weights), { shape: [targets, weights.length / targets] });
  const scores = (x.ndim === 1 ? x.unsqueeze(0) : x).matmul(matrix.transpose(0, 1));
  const intercepts = call.floats("intercepts");
  return intercepts === undefined ? scores : scores.add(row(intercepts));
}

type Steps = Generator<Request, readonly Result[], readonly Value[]>;

/** The classes that an operator names, and whether they are strings. */
export function classesOf(
  call: Call,
  integers: string,
): { readonly classes: Label[]; readonly strings: boolean } {
  const texts = call.texts("classlabels_strings") ?? [];
  if (texts.length > 0) return { classes: texts, strings: true };
  return { classes: call.labels(integers) ?? call.fail("it needs class labels"), strings: false };
}

/** Places among classes as their labels: numbers by a table, strings by the host, which must know the places. */
export function* labelled(
  call: Call,
  places: Tensor,
  classes: readonly Label[],
  strings: boolean,
): Generator<Request, Value, readonly Value[]> {
  if (!strings) {
    const table = Tensor.from(BigInt64Array.from(classes, (x) => BigInt(x)));
    return TensorValue.of(table.indexSelect(0, places.cast("int32")));
  }
  const value = TensorValue.of(places);
  yield { kind: "read", value };
  const known = Array.from(call.elements(value) as ArrayLike<number | bigint>, Number);
  return new StringsValue(
    known.map((place) => String(classes[place])),
    places.sizes,
  );
}

/** The class of the largest score, and all scores; of one score for two classes, its sign decides. */
function* linearClassifier(call: Call): Steps {
  const { classes, strings } = classesOf(call, "classlabels_ints");
  const rows = call.floats("intercepts")?.length ?? classes.length;
  const raw = linearScores(call, rows);
  const single = rows === 1 && classes.length === 2;
  const post = call.text("post_transform", "NONE");
  // As ONNX Runtime has it: untransformed, the first class gets what is left of one.
  const all = single ? Tensor.concat([post === "NONE" ? raw.rsub(1) : raw.neg(), raw], 1) : raw;
  const best = single ? raw.select(1, 0).gt(0).cast("int64") : raw.argmax(1).cast("int64");
  const labels = yield* labelled(call, best, classes, strings);
  return [labels, postTransformed(call, all, post)];
}

export const classifiers: Readonly<Record<string, ControlOperator>> = { LinearClassifier: linearClassifier };

export const features: Operators = {
  LabelEncoder: labelEncoder,
  CategoryMapper: categoryMapper,
  OneHotEncoder: oneHotEncoder,
  Imputer: imputer,
  Binarizer: (call) => call.tensor(0).gt(call.float("threshold", 0)).cast(call.tensor(0).dtype),
  Scaler: (call) => {
    const x = call.tensor(0).cast("float32");
    return x.sub(row(call.floats("offset") ?? [0])).mul(row(call.floats("scale") ?? [1]));
  },
  Normalizer: normalizer,
  FeatureVectorizer: featureVectorizer,
  ArrayFeatureExtractor: (call) => {
    const x = call.tensor(0);
    const taken = x.indexSelect(-1, call.tensor(1).cast("int32").ravel());
    return x.ndim === 1 ? taken.unsqueeze(0) : taken;
  },
  LinearRegressor: (call) =>
    postTransformed(call, linearScores(call, call.int("targets", 1)), call.text("post_transform", "NONE")),
};
