// Operators on strings, computed on the host.

import { Tensor } from "../../tensor/tensor.js";
import type { Call, Operators } from "../operator.js";
import { StringsValue, TensorValue, type Value } from "../value.js";
import { broadcastShapes } from "../../tensor/core.js";

/** Upper or lower case, and without some words; at least one empty string remains. */
function normalise(call: Call): Value {
  const { strings, shape } = call.strings(0);
  const locale = call.text("locale", "").replace("_", "-") || undefined;
  const change = call.text("case_change_action", "NONE");
  const cased = (text: string): string =>
    change === "UPPER"
      ? text.toLocaleUpperCase(locale)
      : change === "LOWER"
        ? text.toLocaleLowerCase(locale)
        : text;
  const sensitive = call.flag("is_case_sensitive");
  const same = (text: string): string => (sensitive ? text : text.toLocaleLowerCase(locale));
  const stops = new Set((call.texts("stopwords") ?? []).map(same));
  const kept = strings.filter((text) => !stops.has(same(text))).map(cased);
  const result = kept.length > 0 ? kept : [""];
  return new StringsValue(result, shape.length === 2 ? [1, result.length] : [result.length]);
}

function concat(call: Call): Value {
  const [a, b] = [call.strings(0), call.strings(1)];
  const shape = broadcastShapes(a.shape, b.shape) as number[] | undefined;
  if (shape === undefined) return call.fail(`shapes [${a.shape}] and [${b.shape}] do not broadcast`);
  const spread = ({ strings, shape: own }: StringsValue): string[] => {
    const total = shape.reduce((n, d) => n * d, 1);
    return Array.from({ length: total }, (_, place) => {
      let [at, stride, rest] = [0, 1, place];
      for (let axis = shape.length - 1; axis >= 0; axis--) {
        const coordinate = rest % shape[axis];
        rest = Math.floor(rest / shape[axis]);
        const size = own[axis - shape.length + own.length] ?? 1;
        if (size > 1) at += coordinate * stride;
        stride *= size;
      }
      return strings[at];
    });
  };
  const [left, right] = [spread(a), spread(b)];
  return new StringsValue(
    left.map((text, i) => text + right[i]),
    shape,
  );
}

/** Parts between delimiters (or stretches of white space), filled up with empty strings; and how many each has. */
function split(call: Call): Value[] {
  const { strings, shape } = call.strings(0);
  const delimiter = call.text("delimiter", "");
  const most = call.int("maxsplit", Number.POSITIVE_INFINITY);
  const parts = strings.map((text) => {
    const all =
      delimiter === ""
        ? text
            .trim()
            .split(/\s+/)
            .filter((part) => part !== "")
        : text.split(delimiter);
    if (all.length <= most + 1) return all;
    if (delimiter !== "") return [...all.slice(0, most), all.slice(most).join(delimiter)];
    // The rest keeps its spaces.
    let rest = text.trim();
    const first = all.slice(0, most).map((part) => {
      rest = rest.slice(rest.indexOf(part) + part.length).trimStart();
      return part;
    });
    return [...first, rest];
  });
  const widest = Math.max(0, ...parts.map((list) => list.length));
  const filled = parts.flatMap((list) => Array.from({ length: widest }, (_, i) => list[i] ?? ""));
  return [
    new StringsValue(filled, [...shape, widest]),
    TensorValue.ofIntegers(
      parts.map((list) => list.length),
      { shape },
    ),
  ];
}

function fullMatch(call: Call): Value {
  const { strings, shape } = call.strings(0);
  const pattern = call.text("pattern") ?? call.fail("it needs the attribute pattern");
  const whole = new RegExp(`^(?:${pattern})$`, "su");
  const flags = Uint8Array.from(strings, (text) => (whole.test(text) ? 1 : 0));
  return TensorValue.of(Tensor.from(flags, { dtype: "bool", shape: [...shape] }));
}

/** Counts of words that follow each other, by a list of those that count; weighted. */
function tfIdf(call: Call): Value {
  const value = call.value(0);
  const words =
    value.kind === "strings"
      ? [...value.strings]
      : Array.from(call.known(0) as ArrayLike<number | bigint>, String);
  if (value.kind !== "strings" && value.kind !== "tensor") return call.fail("its input must be a tensor");
  const { shape } = value;
  const [rows, length] = shape.length === 2 ? shape : [1, words.length];
  const starts = call.ints("ngram_counts") ?? call.fail("it needs the attribute ngram_counts");
  const columns = call.ints("ngram_indexes") ?? call.fail("it needs the attribute ngram_indexes");
  const pool = call.texts("pool_strings") ?? [];
  const all = pool.length > 0 ? pool : (call.ints("pool_int64s") ?? []).map(String);
  const weights = call.floats("weights") ?? [];
  const [shortest, longest] = [call.int("min_gram_length", 1), call.int("max_gram_length", 1)];
  const skip = call.int("max_skip_count", 0);
  const column = new Map<string, number>();
  let number = 0;
  starts.forEach((start, i) => {
    const size = i + 1;
    for (let at = start; at + size <= (starts[i + 1] ?? all.length); at += size)
      column.set(JSON.stringify(all.slice(at, at + size)), number++);
  });
  const width = Math.max(-1, ...columns) + 1;
  const counts = new Float32Array(rows * width);
  const weightOf = new Float32Array(width).fill(1);
  columns.forEach((place, i) => {
    if (weights[i] !== undefined) weightOf[place] = weights[i];
  });
  for (let row = 0; row < rows; row++) {
    const line = words.slice(row * length, (row + 1) * length);
    for (let size = shortest; size <= longest; size++) {
      // Single words skip nothing.
      for (let gap = 1; gap <= (size === 1 ? 1 : skip + 1); gap++) {
        for (let at = 0; at + (size - 1) * gap < line.length; at++) {
          const gram = Array.from({ length: size }, (_, k) => line[at + k * gap]);
          const which = column.get(JSON.stringify(gram));
          if (which !== undefined) counts[row * width + columns[which]]++;
        }
      }
    }
  }
  const mode = call.text("mode", "TF");
  const result = counts.map((count, i) => {
    const weight = weightOf[i % width];
    if (mode === "TF") return count;
    return mode === "IDF" ? (count > 0 ? weight : 0) : count * weight;
  });
  return TensorValue.of(Tensor.from(result, { shape: shape.length === 2 ? [rows, width] : [width] }));
}

export const strings: Operators = {
  StringNormalizer: normalise,
  StringConcat: concat,
  StringSplit: split,
  RegexFullMatch: fullMatch,
  TfIdfVectorizer: tfIdf,
};
