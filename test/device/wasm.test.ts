// The wasm device on programs written by hand: results equal the interpreter's, memory is managed, threads share work.

import { afterAll, beforeAll, expect, test } from "vitest";
import { createWasmDevice, type WasmDevice } from "../../src/device/wasm/device.js";
import { addIndex, loopAtom, mulIndex } from "../../src/kernel/index.js";
import { forLoop, load, scalar, store } from "../../src/kernel/ir.js";
import { executed, interpreted, param, program } from "./wasm-programs.js";

let device: WasmDevice;
beforeAll(async () => {
  device = await createWasmDevice({ threads: 2 });
});
afterAll(() => device.close());

test("an elementwise addition in vectors of four with a tail", async () => {
  const [out, a, b] = [param("out", "float32", 11), param("a", "float32", 11), param("b", "float32", 11)];
  const [i, j] = [loopAtom("i", 2), loopAtom("j", 3)];
  const at = mulIndex(i, 4);
  const tail = addIndex(j, 8);
  const p = program(
    [out, a, b],
    [
      forLoop(i, [
        store(out, at, scalar("add", load(a, at, [], { lanes: 4 }), load(b, at, [], { lanes: 4 }))),
      ]),
      forLoop(j, [store(out, tail, scalar("add", load(a, tail), load(b, tail)))]),
    ],
  );
  const inputs = {
    a: Array.from({ length: 11 }, (_, n) => n),
    b: Array.from({ length: 11 }, (_, n) => 10 * n),
  };
  expect(await executed(device, p, inputs)).toEqual(interpreted(p, inputs));
});
