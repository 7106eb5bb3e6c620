// Memory of the cpu device: blocks owned by V8, so that a buffer nobody holds is collected even in a loop that never
// yields, and a pool of blocks given back, since fresh pages cost more than most kernels.

import { constants } from "node:buffer";
import type { DeviceBuffer } from "../device.js";
import type { Koffi } from "./koffi.js";

const ALIGNMENT = 64;
/** Blocks of at least this size lie on pages of this size, where the system has them. */
const LARGE_PAGE = 2 << 20;
const LARGE_BLOCK = 4 << 20;
/** The pool may always hold this much, and beyond it a quarter of what is live. */
const POOL_FLOOR = 256 << 20;

export const LARGEST_BUFFER = constants.MAX_LENGTH - LARGE_PAGE;

/** Small buffers are cut from slabs, which cost the collector less than memory for each. */
const SLAB_BYTES = 64 << 10;
const LARGEST_IN_SLAB = 4 << 10;

/** `size` bytes at an aligned address, kept alive by `memory`, in which they begin at `offset`. */
interface Block {
  readonly memory: ArrayBuffer;
  readonly offset: number;
  readonly size: number;
  readonly address: number;
}

export class CpuBuffer implements DeviceBuffer {
  block: Block | undefined;

  constructor(
    readonly bytes: number,
    block: Block,
  ) {
    this.block = block;
  }

  get address(): number {
    return this.require().address;
  }

  /** The buffer's bytes. */
  get view(): Uint8Array {
    const { memory, offset } = this.require();
    return new Uint8Array(memory, offset, this.bytes);
  }

  private require(): Block {
    if (this.block === undefined)
      throw new Error(`a buffer of ${this.bytes} bytes is used after its release`);
    return this.block;
  }
}

export class Memory {
  /** Bytes of buffers allocated and neither released nor collected. */
  live = 0;
  private pooled = 0;
  /** Free blocks by size, the sizes in order of their last use. */
  private readonly pool = new Map<number, Block[]>();
  /** What was dropped without a release comes back here, and is used again. */
  private readonly collected = new FinalizationRegistry<Block>((block) => {
    this.live -= block.size;
    this.keep(block);
  });
  private readonly collectedSlabs = new FinalizationRegistry<number>((bytes) => {
    this.live -= bytes;
  });

  constructor(
    private readonly koffi: Koffi,
    private readonly pages: { advise(start: number, bytes: number): void },
  ) {}

  allocate(bytes: number): CpuBuffer {
    if (!Number.isInteger(bytes) || bytes < 0) throw new RangeError(`a buffer cannot have ${bytes} bytes`);
    if (bytes > LARGEST_BUFFER) {
      throw new RangeError(`a buffer of ${bytes} bytes exceeds the cpu device's ${LARGEST_BUFFER} bytes`);
    }
    const size = blockSize(bytes);
    if (size <= LARGEST_IN_SLAB) return new CpuBuffer(bytes, this.fromSlab(size));
    const block = this.takePooled(size) ?? this.fresh(size);
    const buffer = new CpuBuffer(bytes, block);
    this.live += size;
    this.collected.register(buffer, block, buffer);
    return buffer;
  }

  /** Gives a buffer's memory back; a second time does nothing. */
  release(buffer: CpuBuffer): void {
    const { block } = buffer;
    if (block === undefined) return;
    buffer.block = undefined;
    const { size } = block;
    if (size <= LARGEST_IN_SLAB) return;
    this.live -= size;
    this.collected.unregister(buffer);
    this.keep(block);
  }

  private keep(block: Block): void {
    const { size } = block;
    const blocks = this.pool.get(size) ?? [];
    blocks.push(block);
    this.pool.delete(size);
    this.pool.set(size, blocks);
    this.pooled += size;
    this.trim(Math.max(POOL_FLOOR, this.live / 4));
  }

  /** Drops pooled blocks, the sizes longest unused first, until at most `limit` bytes are held. */
  trim(limit: number): void {
    for (const [size, blocks] of this.pool) {
      while (blocks.length > 0 && this.pooled > limit) {
        blocks.pop();
        this.pooled -= size;
      }
      if (blocks.length > 0) return;
      this.pool.delete(size);
    }
  }

  private takePooled(size: number): Block | undefined {
    const block = this.pool.get(size)?.pop();
    if (block !== undefined) this.pooled -= size;
    return block;
  }

  private slab: Block | undefined;
  private slabUsed = 0;

  /** A small block; its slab lives as long as any block of it. */
  private fromSlab(size: number): Block {
    if (this.slab === undefined || this.slabUsed + size > SLAB_BYTES) {
      this.slab = this.fresh(SLAB_BYTES);
      this.slabUsed = 0;
      this.live += SLAB_BYTES;
      this.collectedSlabs.register(this.slab.memory, SLAB_BYTES);
    }
    const { memory, offset, address } = this.slab;
    const at = this.slabUsed;
    this.slabUsed += size;
    return { memory, offset: offset + at, size, address: address + at };
  }

  private fresh(size: number): Block {
    try {
      return this.alignedBlock(size);
    } catch {
      this.trim(0);
    }
    try {
      return this.alignedBlock(size);
    } catch (cause) {
      throw new Error(`no memory is left for a buffer of ${size} bytes; ${this.live} bytes are in use`, {
        cause,
      });
    }
  }

  private alignedBlock(size: number): Block {
    const large = size >= LARGE_BLOCK;
    const alignment = large ? LARGE_PAGE : ALIGNMENT;
    const whole = Buffer.allocUnsafeSlow(size + alignment);
    const start = Number(this.koffi.address(whole));
    const offset = (alignment - (start % alignment)) % alignment;
    if (large) this.pages.advise(start + offset, size);
    return { memory: whole.buffer as ArrayBuffer, offset, size, address: start + offset };
  }
}

/** Pooled sizes come in eighths of powers of two, so that nearly equal buffers share blocks. */
function blockSize(bytes: number): number {
  if (bytes <= LARGEST_IN_SLAB) return Math.ceil(Math.max(bytes, 1) / ALIGNMENT) * ALIGNMENT;
  const step = 2 ** (Math.floor(Math.log2(bytes)) - 3);
  return Math.min(Math.ceil(bytes / step) * step, Math.max(bytes, LARGEST_BUFFER));
}
