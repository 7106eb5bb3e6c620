// Every corner case has a test of its number: here, or where what it concerns is tested.

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";

const tests = fileURLToPath(new URL("..", import.meta.url));

it("all 45 corner cases are tested by name", () => {
  const found = new Set<number>();
  for (const entry of readdirSync(tests, { recursive: true }) as string[]) {
    if (!entry.endsWith(".test.ts")) continue;
    const text = readFileSync(join(tests, entry), "utf8");
    for (const match of text.matchAll(/corner\(\s*(\d+),|\("(\d+)\. /g))
      found.add(Number(match[1] ?? match[2]));
  }
  expect([...found].sort((a, b) => a - b)).toEqual(Array.from({ length: 45 }, (_, i) => i + 1));
});
