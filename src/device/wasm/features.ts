// What this WebAssembly engine can do, found by trying tiny modules, and the engine flags that bring out the most.

import type { Platform } from "./platform.js";
import { webAssembly } from "./webassembly.js";

export interface WasmFeatures {
  /** 128-bit vectors. Without them there is no wasm device. */
  readonly simd: boolean;
  /** Relaxed vector instructions, and a fused multiply-add that computes x * y + z. */
  readonly relaxed: boolean;
  /** Memory can be shared, and threads had that wait on it. */
  readonly threads: boolean;
}

const HEADER = [0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0];

/** A module with one exported function "f" that gives a float32. */
function floatFunction(body: readonly number[]): Uint8Array<ArrayBuffer> {
  const code = [0, ...body, 0x0b];
  return Uint8Array.from([
    ...HEADER,
    ...[1, 5, 1, 0x60, 0, 1, 0x7d],
    ...[3, 2, 1, 0],
    ...[7, 5, 1, 1, 0x66, 0, 0],
    ...[10, code.length + 2, 1, code.length, ...code],
  ]);
}

const splat = (x: number): number[] => [0x43, ...new Uint8Array(new Float32Array([x]).buffer), 0xfd, 19];
const FIRST_LANE = [0xfd, 31, 0];
const SIMD_PROBE = floatFunction([...splat(2), ...FIRST_LANE]);
const FMA_PROBE = floatFunction([...splat(2), ...splat(3), ...splat(10), 0xfd, 0x85, 0x02, ...FIRST_LANE]);
/** A module with a shared memory of one page. */
const SHARED_PROBE = Uint8Array.from([...HEADER, 5, 4, 1, 0x03, 1, 1]);

/** Early engines took the addend first; only x * y + z will do. */
function multiplyAddWorks(): boolean {
  if (!webAssembly().validate(FMA_PROBE)) return false;
  const { exports } = new (webAssembly().Instance)(new (webAssembly().Module)(FMA_PROBE));
  return (exports.f as () => number)() === 2 * 3 + 10;
}

/** Sets the engine's flags for this process, then looks what is there. */
export function prepareEngine(platform: Platform): WasmFeatures {
  const { v8Version } = platform;
  // Kernels start in the optimising tier: one long call never leaves the baseline one. Known to V8 10 to 13.
  if (v8Version !== undefined && v8Version[0] >= 10 && v8Version[0] <= 13) {
    platform.setEngineFlag("--no-liftoff");
  }
  // V8 11.4 switched relaxed SIMD on and then dropped its flag.
  const hidden =
    v8Version !== undefined && (v8Version[0] === 10 || (v8Version[0] === 11 && v8Version[1] < 4));
  if (hidden) platform.setEngineFlag("--experimental-wasm-relaxed-simd");
  const simd = webAssembly().validate(SIMD_PROBE);
  return {
    simd,
    relaxed: simd && multiplyAddWorks(),
    threads:
      typeof SharedArrayBuffer !== "undefined" &&
      platform.startWorker !== undefined &&
      webAssembly().validate(SHARED_PROBE),
  };
}
