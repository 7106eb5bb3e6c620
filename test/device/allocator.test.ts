// The wasm device's places in memory: never overlapping, used again, and whole again once all are given back.

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Allocator } from "../../src/device/wasm/allocator.js";

const START = 1024;
const END = START + 64 * 1024;

describe("places in a range", () => {
  it("are disjoint while taken, and one free block when none is", () => {
    const requests = fc.array(fc.record({ bytes: fc.nat(9000), keep: fc.nat(12) }), { maxLength: 80 });
    fc.assert(
      fc.property(requests, (list) => {
        const allocator = new Allocator(START, END);
        const taken: { address: number; bytes: number; end: number }[] = [];
        for (const { bytes, keep } of list) {
          while (taken.length > keep) {
            const [place] = taken.splice((bytes * 7) % taken.length, 1);
            allocator.release(place.address, place.bytes);
          }
          const address = allocator.allocate(bytes);
          if (address === undefined) continue;
          const end = address + Allocator.sizeFor(bytes);
          expect(address).toBeGreaterThanOrEqual(START);
          expect(end).toBeLessThanOrEqual(END);
          for (const other of taken) expect(end <= other.address || other.end <= address).toBe(true);
          taken.push({ address, bytes, end });
          expect(allocator.bytesInUse).toBe(taken.reduce((sum, place) => sum + place.end - place.address, 0));
        }
        for (const { address, bytes } of taken) allocator.release(address, bytes);
        expect(allocator.bytesInUse).toBe(0);
        expect(allocator.allocate(END - START)).toBe(START);
      }),
    );
  });

  it("given back last are taken first by requests of their size", () => {
    const allocator = new Allocator(START, END);
    const [first, second] = [allocator.allocate(640)!, allocator.allocate(640)!];
    allocator.release(second, 640);
    allocator.release(first, 640);
    expect(allocator.allocate(640)).toBe(first);
    expect(allocator.allocate(640)).toBe(second);
  });

  it("grow by what the free block at the end lacks, whatever was given back there", () => {
    const allocator = new Allocator(START, END);
    const place = allocator.allocate(END - START)!;
    expect(allocator.shortfall(4096)).toBe(4096);
    allocator.release(place, END - START);
    expect(allocator.shortfall(END - START + 64)).toBe(64);
    allocator.grow(64);
    expect(allocator.allocate(END - START + 64)).toBe(START);
  });
});
