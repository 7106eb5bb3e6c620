// The cache on disk: what it keeps when it is full, and what it leaves alone.

import { existsSync, mkdtempSync, readdirSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { contentHash, DiskCache } from "../../src/device/disk-cache.js";

const directory = mkdtempSync(join(tmpdir(), "brisc-disk-"));
afterAll(() => rmSync(directory, { recursive: true, force: true }));
const fresh = (): string => mkdtempSync(join(directory, "cache-"));

/** Says that a file was last used so many days ago. */
function age(path: string, days: number): void {
  const then = Date.now() / 1000 - days * 86_400;
  utimesSync(path, then, then);
}

test("a full cache loses what was not used for longest; reading is using", () => {
  const cache = new DiskCache(fresh(), 10_000);
  const names = Array.from({ length: 9 }, (_, i) => `${contentHash(String(i))}.code`);
  names.forEach((name, i) => {
    cache.write(name, Buffer.alloc(1000, i));
    age(cache.path(name), 30 - i);
  });
  expect(cache.read(names[0])).toEqual(Buffer.alloc(1000, 0));
  cache.write(`${contentHash("new")}.so`, Buffer.alloc(2000));
  const kept = names.filter((name) => existsSync(cache.path(name)));
  expect(kept).toEqual([names[0], ...names.slice(-(kept.length - 1))]);
  expect(kept.length).toBeGreaterThanOrEqual(4);
  expect(kept.length).toBeLessThanOrEqual(6);
  const bytes = readdirSync(cache.directory).reduce((sum, file) => sum + statSync(cache.path(file)).size, 0);
  expect(bytes).toBeLessThanOrEqual(10_000);
});

test("trimming leaves other files alone, but what ended processes began goes", () => {
  const cache = new DiskCache(fresh(), 100);
  const own = `${contentHash("own")}.so`;
  const begun = cache.temporaryPath();
  const beingMade = cache.temporaryPath();
  for (const path of [cache.path("schedules.json"), begun, beingMade]) writeFileSync(path, Buffer.alloc(500));
  for (const path of [cache.path("schedules.json"), begun]) age(path, 2);
  cache.write(own, Buffer.alloc(50));
  cache.trim();
  expect(
    readdirSync(cache.directory)
      .map((name) => cache.path(name))
      .sort(),
  ).toEqual([cache.path("schedules.json"), cache.path(own), beingMade].sort());
});

test("a limit that is no number is an error", () => {
  process.env.BRISC_CACHE_MB = "much";
  try {
    expect(() => new DiskCache(fresh())).toThrow('BRISC_CACHE_MB is "much"');
    process.env.BRISC_CACHE_MB = "0.001";
    const cache = new DiskCache(fresh());
    cache.write(`${contentHash("large")}.so`, Buffer.alloc(5000));
    expect(readdirSync(cache.directory)).toEqual([]);
  } finally {
    delete process.env.BRISC_CACHE_MB;
  }
});
