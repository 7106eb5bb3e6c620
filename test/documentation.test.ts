// The examples in docstrings run, and give what they say they give: an expression that ends in `// => value` is compared
// with the value, tensors by their elements.

import { copyFileSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { transform } from "esbuild";
import { afterAll, beforeEach, describe, expect, it } from "vitest";
import * as datasets from "../src/datasets/index.js";
import * as brisc from "../src/index.js";

const source = fileURLToPath(new URL("../src", import.meta.url));

interface Example {
  readonly place: string;
  readonly code: string;
}

/** The @example blocks of a file's docstrings. */
function examplesIn(file: string): Example[] {
  const text = readFileSync(join(source, file), "utf8");
  return [...text.matchAll(/\/\*\*[\s\S]*?\*\//g)].flatMap((comment) => {
    const lines = comment[0]
      .slice(3, -2)
      .split("\n")
      .map((line) => line.replace(/^\s*\* ?/, ""));
    const blocks = lines
      .join("\n")
      .split(/^\s*@example\b/m)
      .slice(1);
    const line = text.slice(0, comment.index).split("\n").length;
    return blocks.map((block) => ({
      place: `${file}:${line}`,
      code: block
        .split(/^\s*@\w/m)[0]
        .replace(/^\s*```\w*$/gm, "")
        .trim(),
    }));
  });
}

/** `expression; // => value` becomes a comparison; all other lines stay. */
const withChecks = (code: string): string =>
  code.replaceAll(/^(.*?);?\s*\/\/ => (.*)$/gm, (_, expression: string, value: string) => {
    const [, binding = "", rest = expression] = /^(const \w+ = )?(.*)$/.exec(expression) ?? [];
    const name = /const (\w+)/.exec(binding)?.[1];
    const kept = name === undefined ? "" : `${expression};\n`;
    return `${kept}await check(${name ?? rest}, ${value});`;
  });

async function check(actual: unknown, expected: unknown): Promise<void> {
  let found = await actual;
  if (found instanceof brisc.Tensor) found = await found.tolist();
  expect(rounded(found)).toEqual(rounded(expected));
}

/** Floats as far as an example shows them. */
function rounded(value: unknown): unknown {
  if (typeof value === "number") return Math.round(value * 1e4) / 1e4 + 0;
  if (value instanceof brisc.Tensor) return `${value}`;
  if (Array.isArray(value)) return value.map(rounded);
  if (ArrayBuffer.isView(value)) return Array.from(value as unknown as ArrayLike<number>, rounded);
  return value;
}

const AsyncFunction = (async () => {}).constructor as new (
  ...args: string[]
) => (...given: unknown[]) => Promise<void>;

const files = (readdirSync(source, { recursive: true }) as string[])
  .filter((file) => file.endsWith(".ts"))
  .sort();
const examples = files.flatMap(examplesIn);

// Files that examples write or read lie in a folder of their own.
const folder = mkdtempSync(join(tmpdir(), "brisc-examples-"));
copyFileSync(new URL("fixtures/files/checkpoint.pt", import.meta.url), join(folder, "checkpoint.pt"));
afterAll(() => rmSync(folder, { recursive: true }));

describe("examples in docstrings", () => {
  beforeEach(() => {
    brisc.setDefaultDevice("wasm");
    brisc.manualSeed(0);
  });

  it("are there", () => {
    expect(examples.length).toBeGreaterThan(300);
  });

  it.each(examples)("$place", async ({ code }) => {
    const { code: script } = await transform(withChecks(code), { loader: "ts", target: "node20" });
    const known: Record<string, unknown> = { ...brisc, ...datasets, folder, check };
    const names = Object.keys(known);
    await new AsyncFunction(...names, script)(...names.map((name) => known[name]));
  });
});
