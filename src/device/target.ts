// What a device can do, as the compiler sees it: the facts by which kernels are fused, scheduled and lowered.

import type { MatrixUnit } from "../kernel/units.js";
import type { DType } from "../scalar/dtype.js";

export interface Target {
  /** Which code generator and lowering rules apply. */
  readonly language: "interpreter" | "wasm" | "c" | "wgsl";
  readonly threads: number;
  /** Bytes of the native vector; 0 if there are no vectors. */
  readonly vectorBytes: number;
  readonly vectorRegisters: number;
  /** A fused multiply-add exists. */
  readonly fma: boolean;
  /** Matrix units, best first; none unless given. */
  readonly units?: readonly MatrixUnit[];
  /** Dtypes that kernels may compute in; others are emulated or refused. */
  readonly dtypes: ReadonlySet<DType>;
  /** Narrow floats that it converts to and from float32 by instructions; the others are arithmetic on their bits. */
  readonly converts?: readonly DType[];
  /** Most buffers one kernel may use. */
  readonly maxBuffers: number;
  /** Most bytes of one buffer. */
  readonly maxBufferBytes: number;
  /** Most bytes of thread-private memory. */
  readonly maxLocalBytes: number;
  /** Bytes of the narrowest piece of memory that can be written on its own; 1 unless given. */
  readonly storageBytes?: number;
  readonly l1Bytes: number;
  readonly l2Bytes: number;
  /** What all caches keep at most, where stores can go past them. */
  readonly cacheBytes?: number;
  /** Anything else that generated code depends on (compiler version, flags), for cache keys. */
  readonly fingerprint: string;
}
