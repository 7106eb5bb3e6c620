// docs/coming-from.md: its tables are those of docs/names.json, every name of brisc in them exists, and every public name
// of PyTorch has one of brisc's or a reason beside it.

import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import * as brisc from "../src/index.js";

type Row = readonly [theirs: string, ours: string | null, note?: string];

interface Section {
  readonly title: string;
  readonly of: readonly string[];
  readonly same: Readonly<Record<string, readonly string[]>>;
  readonly differ: readonly Row[];
  readonly absent: Readonly<Record<string, readonly string[]>>;
}

const read = (path: string) => readFileSync(new URL(`../${path}`, import.meta.url), "utf8");
const data = JSON.parse(read("docs/names.json"));
const sections: readonly Section[] = data.libraries.pytorch.sections;
const tables: readonly { title: string; names: readonly Row[] }[] = Object.values<{
  title: string;
  names?: readonly Row[];
}>(data.libraries).flatMap(({ title, names }) => (names === undefined ? [] : [{ title, names }]));

/** Names along a chain of prototypes, without those that only the library itself may use. */
function publicNames(from: object): Set<string> {
  const folder = "src/tensor";
  const hidden = new Set(
    readdirSync(new URL(`../${folder}`, import.meta.url)).flatMap((file) =>
      [
        ...read(`${folder}/${file}`).matchAll(/^ {2}(?:protected|private) (?:(?:static|async|get) )*(\w+)/gm),
      ].map(([, name]) => name),
    ),
  );
  const found = new Set<string>();
  for (
    let at = from;
    at && at !== Object.prototype && at !== Function.prototype;
    at = Object.getPrototypeOf(at)
  )
    for (const name of Object.getOwnPropertyNames(at)) if (!hidden.has(name)) found.add(name);
  return found;
}

const methods = publicNames(brisc.Tensor.prototype);
const PLACES: Record<string, ReadonlySet<string>> = {
  x: methods,
  condition: methods,
  Tensor: publicNames(brisc.Tensor),
  nn: new Set(Object.keys(brisc.nn)),
  "nn.schedules": new Set(Object.keys(brisc.nn.schedules)),
  "nn.init": new Set(Object.keys(brisc.nn.init)),
  "": new Set(Object.keys(brisc)),
};

const camelCase = (name: string) => name.replace(/_([a-z0-9])/g, (_, letter) => letter.toUpperCase());
const exists = (place: string, name: string) => PLACES[place]?.has(name) ?? false;

/** Whether an expression as "x.sub(y).norm()", "nn.schedules.cosine" or "jit" begins with a name that exists. */
function stands(expression: string): boolean {
  const [, path] = expression.match(/^(?:await )?([\w.]+)/) ?? [undefined, ""];
  const dot = path.lastIndexOf(".");
  return exists(path.slice(0, Math.max(0, dot)), path.slice(dot + 1));
}

const missing = (rows: readonly Row[]) => rows.filter(([, ours]) => ours !== null && !stands(ours));

it("the page has the tables of docs/names.json", () => {
  const script = fileURLToPath(new URL("../scripts/names.mjs", import.meta.url));
  const { status, stderr } = spawnSync(process.execPath, [script, "--check"], { encoding: "utf8" });
  expect([status, stderr]).toEqual([0, ""]);
  const shown = [...read("docs/coming-from.md").matchAll(/<!-- names: (\w+) -->/g)].map(
    ([, library]) => library,
  );
  expect(shown).toEqual(Object.keys(data.libraries));
});

describe("PyTorch", () => {
  it.each(sections)("$title: names given as brisc's exist", ({ same, differ }) => {
    for (const [place, names] of Object.entries(same))
      expect(names.filter((name) => !exists(place, camelCase(name)))).toEqual([]);
    expect(missing(differ)).toEqual([]);
  });

  it.each(sections)("$title: reasons exist", ({ absent }) => {
    expect(Object.keys(absent).filter((reason) => !(reason in data.reasons))).toEqual([]);
  });

  it.each(sections)("$title: what is said not to be here is not", ({ same, absent }) => {
    const places = Object.keys(same).flatMap((place) => (place === "x" ? ["x", "Tensor"] : [place]));
    const names = Object.values(absent).flat();
    expect(names.filter((name) => places.some((place) => exists(place, camelCase(name))))).toEqual([]);
  });

  it("every public name has one of brisc's or a reason, once", () => {
    const torch: Record<string, string[]> = JSON.parse(read("test/fixtures/torch-names.json"));
    expect(sections.flatMap(({ of }) => of)).toEqual(Object.keys(torch));
    for (const { of, same, differ, absent } of sections) {
      const told = [
        ...[same, absent].flatMap((group) => Object.values(group).flat()),
        ...differ.map(([name]) => name),
      ];
      expect(told.sort()).toEqual([...new Set(of.flatMap((module) => torch[module]))].sort());
    }
  });
});

it.each(tables)("$title: names given as brisc's exist", ({ names }) => {
  expect(missing(names)).toEqual([]);
  expect(new Set(names.map(([theirs]) => theirs)).size).toBe(names.length);
});

it("names of brisc in notes and text exist", () => {
  const text = read("docs/coming-from.md").replace(/<!-- names: [\s\S]*?<!-- end -->/g, "");
  const rows = [...sections.flatMap(({ differ }) => differ), ...tables.flatMap(({ names }) => names)];
  const notes = [...Object.values<string>(data.reasons), ...rows.map(([, , note = ""]) => note)];
  const spans = [text, ...notes].flatMap((part) => [...part.matchAll(/`([^`]+)`/g)].map(([, span]) => span));
  const named = spans.flatMap(
    (span) => span.match(/(?<![\w.])(?:x|y|condition|Tensor|nn(?:\.\w+)?)\.\w+/g) ?? [],
  );
  expect(named.length).toBeGreaterThan(10);
  expect(named.filter((name) => !stands(name.replace(/^y\./, "x.")))).toEqual([]);
});
