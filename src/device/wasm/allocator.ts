// Places in one growing range of addresses: best fit among free blocks, which join with their neighbours when given
// back. Free blocks are kept by size class, so that a request looks at a few blocks only. The last few given back stay
// apart for requests of just their size: a step that is repeated asks for the same sizes in turn.

/** All places begin at, and take, multiples of this. */
export const ALIGNMENT = 64;

/** Free blocks of its class that a request looks at before it takes the best so far. */
const LOOKED_AT = 16;

/** Blocks given back that stay apart. */
const APART = 8;

export class Allocator {
  private readonly sizeByStart = new Map<number, number>();
  private readonly startByEnd = new Map<number, number>();
  private readonly classes: Set<number>[] = Array.from({ length: 64 }, () => new Set());
  /** Places given back and not yet joined with their neighbours, the oldest first. */
  private readonly apart: { readonly start: number; readonly size: number }[] = [];
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

  /** What a request for this many bytes takes. */
  static sizeFor(bytes: number): number {
    return Math.max(ALIGNMENT, Math.ceil(bytes / ALIGNMENT) * ALIGNMENT);
  }

  /** The address of a free place for this many bytes, now taken; undefined if there is none. */
  allocate(bytes: number): number | undefined {
    const size = Allocator.sizeFor(bytes);
    const start = this.takeApart(size) ?? this.take(size) ?? (this.joinAll() ? this.take(size) : undefined);
    if (start !== undefined) this.used += size;
    return start;
  }

  /** Gives back a place that `allocate(bytes)` gave. */
  release(address: number, bytes: number): void {
    const size = Allocator.sizeFor(bytes);
    this.used -= size;
    this.apart.push({ start: address, size });
    if (this.apart.length > APART) this.join(this.apart.shift()!);
  }

  /** Bytes by which the range must grow for this request, given the free block at its end. */
  shortfall(bytes: number): number {
    this.joinAll();
    const last = this.startByEnd.get(this.end) ?? this.end;
    return Allocator.sizeFor(bytes) - (this.end - last);
  }

  grow(bytes: number): void {
    const start = this.end;
    this.end += bytes;
    this.join({ start, size: bytes });
  }

  private takeApart(size: number): number | undefined {
    const { apart } = this;
    for (let i = apart.length - 1; i >= 0; i--) {
      if (apart[i].size === size) return apart.splice(i, 1)[0].start;
    }
    return undefined;
  }

  private take(size: number): number | undefined {
    const start = this.find(size);
    if (start === undefined) return undefined;
    const whole = this.sizeByStart.get(start)!;
    this.remove(start, whole);
    if (whole > size) this.insert(start + size, whole - size);
    return start;
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

  /** False if nothing was apart. */
  private joinAll(): boolean {
    const any = this.apart.length > 0;
    for (const place of this.apart.splice(0)) this.join(place);
    return any;
  }

  private join(place: { readonly start: number; readonly size: number }): void {
    let { start, size } = place;
    const end = start + size;
    const before = this.startByEnd.get(start);
    if (before !== undefined) {
      const length = this.sizeByStart.get(before)!;
      this.remove(before, length);
      start = before;
      size += length;
    }
    const after = this.sizeByStart.get(end);
    if (after !== undefined) {
      this.remove(end, after);
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
