// The examples run, and what they print is right; the README's example is one of them.

import { readdirSync, readFileSync } from "node:fs";
import { afterEach, expect, it, vi } from "vitest";

const source = (name: string) => readFileSync(new URL(`../${name}`, import.meta.url), "utf8");

/** What an example prints, each call's arguments as a list. */
async function output(name: string): Promise<unknown[][]> {
  const log = vi.spyOn(console, "log").mockImplementation(() => {});
  await import(`../examples/${name}.ts`);
  return log.mock.calls;
}

afterEach(() => {
  vi.restoreAllMocks();
});

const CHECKS: Record<string, (lines: unknown[][]) => void> = {
  line([[loss, weight, bias]]) {
    expect(loss).toBeCloseTo(0, 4);
    expect((weight as Float32Array)[0]).toBeCloseTo(3, 2);
    expect((bias as Float32Array)[0]).toBeCloseTo(-1, 2);
  },
  gradients(lines) {
    expect(lines.map(([, values]) => [...(values as Float32Array)])).toEqual([
      [1, 8, 27],
      [3, 12, 27],
      [6, 12, 18],
    ]);
  },
  attention([[line]]) {
    expect(Number(String(line).split(": ")[1])).toBeLessThan(1e-5);
  },
  data([[line]]) {
    const [right, all] = String(line).match(/\d+/g)!.map(Number);
    expect(all).toBe(200);
    expect(right).toBeGreaterThan(190);
  },
  transformer([[line]]) {
    const [right, all] = String(line).match(/\d+/g)!.map(Number);
    expect(all).toBe(800);
    expect(right).toBeGreaterThan(780);
  },
  safetensors([[before, after]]) {
    expect(before).toEqual(after);
  },
};

it.each(Object.keys(CHECKS))("examples/%s.ts prints what it should", async (name) => {
  CHECKS[name](await output(name));
});

it("every example is run here", () => {
  const names = readdirSync(new URL("../examples", import.meta.url)).map((file) => file.replace(/\.ts$/, ""));
  expect(names.sort()).toEqual(Object.keys(CHECKS).sort());
});

it("the README's example is examples/line.ts", () => {
  const [, inReadme] = source("README.md").match(/```ts\n([\s\S]*?)```/) ?? [];
  const example = source("examples/line.ts");
  expect(inReadme).toBe(example.slice(example.indexOf("import")));
});
