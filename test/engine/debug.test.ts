// What DEBUG shows, level by level.

import { afterEach, describe, expect, test, vi } from "vitest";
import { configure } from "../../src/engine/config.js";
import { availableDevices, setDefaultDevice, Tensor } from "../../src/index.js";

const devices = (await availableDevices()).filter((d) => d.available);
let size = 40;

/** What is said on standard error while something new is compiled and run at a level. */
async function said(level: number): Promise<string> {
  const lines: string[] = [];
  const spy = vi.spyOn(console, "error").mockImplementation((...words: unknown[]) => {
    lines.push(words.join(" "));
  });
  configure({ debug: level });
  const x = Tensor.ones([3, size++]);
  await x.exp().sum(1).data();
  spy.mockRestore();
  return lines.join("\n");
}

describe.each(devices.map((d) => d.name))("DEBUG on %s", (name) => {
  afterEach(() => configure({ debug: 0 }));

  test("off says nothing; 1 what is compiled; 2 a line a kernel; 3 the schedule; 4 the code; 5 the IR", async () => {
    setDefaultDevice(name);
    expect(await said(0)).toBe("");
    expect(await said(1)).toMatch(
      /brisc: 1 kernel for .*: simplify .* ms, fuse .* ms, schedule .* ms, lower .* ms/,
    );
    const kernels = await said(2);
    expect(kernels).toMatch(/r_3 .* us .*GFLOP\/s .*GB\/s .*% of limit .*MB/);
    expect(kernels).not.toMatch(/schedule r_/);
    expect(await said(3)).toMatch(/schedule r_3: /);
    const code = await said(4);
    expect(code).toMatch(/--- code of r_3/);
    expect(code).toMatch(name === "cpu" ? /void r_3_p0\(/ : name === "wasm" ? /f32\./ : /program r_3\(/);
    const ir = await said(5);
    for (const stage of ["fused", "scheduled", "lowered"]) expect(ir).toContain(`--- ${stage}`);
  });
});
