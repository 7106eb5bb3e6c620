import { expect, test } from "vitest";
import { createCpuDevice } from "../../src/device/cpu/device.js";
import { loopAtom, mulIndex, toIndex } from "../../src/kernel/index.js";
import { load, makeBuffer, scalar, store } from "../../src/kernel/ir.js";
import type { Program } from "../../src/lower/program.js";

test("one program runs", async () => {
  const device = await createCpuDevice();
  const [c, a, b] = ["c", "a", "b"].map((name) => makeBuffer(name, "float32", 64, "global"));
  const i = loopAtom("i", 4);
  const at = mulIndex(i, 16);
  const sum = scalar("add", load(a, at, [], { lanes: 16 }), load(b, at, [], { lanes: 16 }));
  const program: Program = {
    name: "e_64",
    params: [c, a, b],
    scratch: [],
    symbols: [],
    localBytes: 0,
    flops: toIndex(64),
    bytes: toIndex(768),
    phases: [{ atom: i, grain: 1, body: [store(c, at, sum)] }],
  };
  const [executable] = await device.compile([program]);
  const buffers = [1, 2, 3].map(() => device.allocate(256));
  device.write(buffers[1], new Uint8Array(Float32Array.from({ length: 64 }, (_, k) => k).buffer));
  device.write(buffers[2], new Uint8Array(new Float32Array(64).fill(0.5).buffer));
  const list = device.prepare([{ kind: "launch", executable, slots: [0, 1, 2], symbols: [] }]);
  device.submit(list, buffers, []);
  const out = new Float32Array((await device.read(buffers[0], 0, 256)).buffer);
  expect([...out]).toEqual(Array.from({ length: 64 }, (_, k) => k + 0.5));
});
