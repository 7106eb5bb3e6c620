// Places in one growing range of addresses: best fit among free blocks, which join with their neighbours when given
// back. Free blocks are kept by size class, so that a request looks at a few blocks only.

/** All places begin at, and take, multiples of this. */
export const ALIGNMENT = 64;

/** Free blocks of its class that a request looks at before it takes the best so far. */
const LOOKED_AT = 16;

export class Allocator {
  private readonly sizeByStart = new Map<number, number>();
  private readonly startByEnd = new Map<number, number>();
  private readonly classes: Set<number>[] = Array.from({ length: 64 }, () => new Set());
  private used = 0;

  /** Manages [start, end), both multiples of the alignment. */
  constructor(
    start: number,
    private end: number,
  ) {
    this.insert(start, end - start);
  }

  get bytesInUse(): number {
    return this.used;
  }

  /** The end of the range managed, up to which memory must exist. */
  get limit(): number {
    return this.end;
  }

  /** What a request for this many bytes takes. */
  static sizeFor(bytes: number): number {
    return Math.max(ALIGNMENT, Math.ceil(bytes / ALIGNMENT) * ALIGNMENT);
  }

  /** The address of a free place for this many bytes, now taken; undefined if there is none. */
  allocate(bytes: number): number | undefined {
    const size = Allocator.sizeFor(bytes);
    const start = this.find(size);
    if (start === undefined) return undefined;
    const whole = this.sizeByStart.get(start)!;
    this.remove(start, whole);
    if (whole > size) this.insert(start + size, whole - size);
    this.used += size;
    return start;
  }

  /** Gives back a place that `allocate(bytes)` gave. */
  release(address: number, bytes: number): void {
    const size = Allocator.sizeFor(bytes);
    this.used -= size;
    this.join(address, size);
  }

  /** Bytes by which the range must grow for this request, given the free block at its end. */
  shortfall(bytes: number): number {
    const last = this.startByEnd.get(this.end) ?? this.end;
    return Allocator.sizeFor(bytes) - (this.end - last);
  }

  grow(bytes: number): void {
    const start = this.end;
    this.end += bytes;
    this.join(start, bytes);
  }

  private find(size: number): number | undefined {
    const first = classOf(size);
    let best: number | undefined;
    let bestSize = Number.POSITIVE_INFINITY;
    let looked = 0;
    for (const start of this.classes[first]) {
      const found = this.sizeByStart.get(start)!;
      if (found === size) return start;
      if (found > size && found < bestSize) [best, bestSize] = [start, found];
      if (++looked >= LOOKED_AT && best !== undefined) break;
    }
    if (best !== undefined) return best;
    for (let i = first + 1; i < this.classes.length; i++) {
      for (const start of this.classes[i]) return start;
    }
    return undefined;
  }

  private join(address: number, bytes: number): void {
    let start = address;
    let size = bytes;
    const before = this.startByEnd.get(address);
    if (before !== undefined) {
      const length = this.sizeByStart.get(before)!;
      this.remove(before, length);
      start = before;
      size += length;
    }
    const after = this.sizeByStart.get(address + bytes);
    if (after !== undefined) {
      this.remove(address + bytes, after);
      size += after;
    }
    this.insert(start, size);
  }

  private insert(start: number, size: number): void {
    if (size === 0) return;
    this.sizeByStart.set(start, size);
    this.startByEnd.set(start + size, start);
    this.classes[classOf(size)].add(start);
  }

  private remove(start: number, size: number): void {
    this.sizeByStart.delete(start);
    this.startByEnd.delete(start + size);
    this.classes[classOf(size)].delete(start);
  }
}

/** Two classes for each power of two. */
function classOf(size: number): number {
  const exponent = Math.floor(Math.log2(size));
  return Math.min(63, Math.max(0, (exponent - 6) * 2 + (size >= 1.5 * 2 ** exponent ? 1 : 0)));
}
