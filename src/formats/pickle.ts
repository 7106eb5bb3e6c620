// Python's pickle format (protocols 0 to 5), as data: a stack machine that builds dicts, lists, numbers and texts. What a
// stream would import and call is handed to the caller, who knows a few harmless names and refuses the others; nothing
// of Python is run.

/** Whatever a name in a stream stands for: called with the arguments that the stream gives it. */
export type Constructor = (args: readonly unknown[]) => unknown;

export interface PickleNames {
  /** What `module.name` stands for; throws if it may not be in a stream. */
  global(module: string, name: string): Constructor;
  /** The object outside of the stream that an identifier names. */
  persistent(id: unknown): unknown;
}

export class PickleError extends Error {
  override name = "PickleError";
}

/** A dict as an object: keys as texts, and none of them reaches the object's prototype. */
export type Dict = Record<string, unknown>;

const isDict = (x: unknown): x is Dict =>
  typeof x === "object" && x !== null && !Array.isArray(x) && Object.getPrototypeOf(x) === Object.prototype;

function setItem(target: unknown, key: unknown, value: unknown): void {
  if (!isDict(target)) throw new PickleError("an item is set in what is no dict");
  Object.defineProperty(target, String(key), { value, writable: true, enumerable: true, configurable: true });
}

class Machine {
  private at = 0;
  private stack: unknown[] = [];
  private readonly marks: unknown[][] = [];
  private readonly memo = new Map<number, unknown>();
  private readonly view: DataView;

  constructor(
    private readonly bytes: Uint8Array,
    private readonly names: PickleNames,
  ) {
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  run(): unknown {
    for (;;) {
      const code = this.take(1)[0];
      // STOP
      if (code === 0x2e) return this.pop();
      const operation = OPERATIONS.get(code);
      if (operation === undefined)
        throw new PickleError(`operation 0x${code.toString(16)} at byte ${this.at - 1} is not known`);
      operation(this);
    }
  }

  // --- the stream

  private take(length: number): Uint8Array {
    const end = this.at + length;
    if (end > this.bytes.length)
      throw new PickleError(`the stream ends at byte ${this.bytes.length}, in the middle`);
    const part = this.bytes.subarray(this.at, end);
    this.at = end;
    return part;
  }
  private place(length: number): number {
    this.take(length);
    return this.at - length;
  }
  uint8 = (): number => this.view.getUint8(this.place(1));
  uint16 = (): number => this.view.getUint16(this.place(2), true);
  uint32 = (): number => this.view.getUint32(this.place(4), true);
  int32 = (): number => this.view.getInt32(this.place(4), true);
  uint64 = (): number => Number(this.view.getBigUint64(this.place(8), true));
  float64 = (): number => this.view.getFloat64(this.place(8), false);
  binary = (length: number): Uint8Array => this.take(length).slice();
  text = (length: number): string => new TextDecoder().decode(this.take(length));
  line(): string {
    const end = this.bytes.indexOf(0x0a, this.at);
    if (end < 0) throw new PickleError("a line in the stream does not end");
    const text = this.text(end - this.at);
    this.at = end + 1;
    return text;
  }
  /** Two's complement of so many bytes. */
  long(length: number): number | bigint {
    const bytes = this.take(length);
    let value = 0n;
    for (let i = length - 1; i >= 0; i--) value = (value << 8n) | BigInt(bytes[i]);
    if (length > 0 && bytes[length - 1] >= 128) value -= 1n << BigInt(8 * length);
    return Number.isSafeInteger(Number(value)) ? Number(value) : value;
  }

  // --- the stack

  push(value: unknown): void {
    this.stack.push(value);
  }
  pop(): unknown {
    if (this.stack.length === 0) throw new PickleError(`nothing is on the stack at byte ${this.at}`);
    return this.stack.pop();
  }
  top(): unknown {
    const value = this.pop();
    this.push(value);
    return value;
  }
  several(count: number): unknown[] {
    return Array.from({ length: count }, () => this.pop()).reverse();
  }
  mark(): void {
    this.marks.push(this.stack);
    this.stack = [];
  }
  /** Everything above the last mark. */
  marked(): unknown[] {
    const items = this.stack;
    const below = this.marks.pop();
    if (below === undefined) throw new PickleError(`no mark is on the stack at byte ${this.at}`);
    this.stack = below;
    return items;
  }
  remember(place = this.memo.size): void {
    this.memo.set(place, this.top());
  }
  recall(place: number): void {
    if (!this.memo.has(place)) throw new PickleError(`nothing was remembered as ${place}`);
    this.push(this.memo.get(place));
  }

  // --- objects

  append(items: readonly unknown[]): void {
    const list = this.top();
    if (!Array.isArray(list)) throw new PickleError("an element is appended to what is no list");
    for (const item of items) list.push(item);
  }
  setItems(items: readonly unknown[]): void {
    const target = this.top();
    if (items.length % 2 !== 0) throw new PickleError("a key has no value");
    for (let i = 0; i < items.length; i += 2) setItem(target, items[i], items[i + 1]);
  }
  global(module: unknown, name: unknown): void {
    this.push(this.names.global(String(module), String(name)));
  }
  call(args: unknown): void {
    const made = this.pop();
    if (typeof made !== "function" || !Array.isArray(args))
      throw new PickleError("something is called that is no name, or without a tuple of arguments");
    this.push((made as Constructor)(args));
  }
  persistent(): void {
    this.push(this.names.persistent(this.pop()));
  }
}

function dictOf(items: readonly unknown[]): Dict {
  const dict: Dict = {};
  for (let i = 0; i + 1 < items.length; i += 2) setItem(dict, items[i], items[i + 1]);
  return dict;
}

/** Numbers of protocol 0 are texts; 01 and 00 are its bools. */
function writtenInteger(text: string): number | bigint | boolean {
  if (text === "00" || text === "01") return text === "01";
  const digits = text.replace(/L$/, "");
  if (!/^[+-]?\d+$/.test(digits)) throw new PickleError(`${JSON.stringify(text)} is no integer`);
  return Number.isSafeInteger(Number(digits)) ? Number(digits) : BigInt(digits);
}

/** What each byte of a stream does, by the names of Python's pickletools. */
const OPERATIONS = new Map<number, (m: Machine) => void>([
  [0x80, (m) => void m.uint8()], // PROTO
  [0x95, (m) => void m.uint64()], // FRAME
  [0x28, (m) => m.mark()], // MARK
  [0x30, (m) => void m.pop()], // POP
  [0x31, (m) => void m.marked()], // POP_MARK
  [0x32, (m) => m.push(m.top())], // DUP
  [0x4e, (m) => m.push(null)], // NONE
  [0x88, (m) => m.push(true)], // NEWTRUE
  [0x89, (m) => m.push(false)], // NEWFALSE
  [0x49, (m) => m.push(writtenInteger(m.line()))], // INT
  [0x4c, (m) => m.push(writtenInteger(m.line()))], // LONG
  [0x46, (m) => m.push(Number(m.line()))], // FLOAT
  [0x4a, (m) => m.push(m.int32())], // BININT
  [0x4b, (m) => m.push(m.uint8())], // BININT1
  [0x4d, (m) => m.push(m.uint16())], // BININT2
  [0x8a, (m) => m.push(m.long(m.uint8()))], // LONG1
  [0x8b, (m) => m.push(m.long(m.uint32()))], // LONG4
  [0x47, (m) => m.push(m.float64())], // BINFLOAT
  [0x56, (m) => m.push(m.line())], // UNICODE
  [0x58, (m) => m.push(m.text(m.uint32()))], // BINUNICODE
  [0x8c, (m) => m.push(m.text(m.uint8()))], // SHORT_BINUNICODE
  [0x8d, (m) => m.push(m.text(m.uint64()))], // BINUNICODE8
  [0x54, (m) => m.push(m.text(m.uint32()))], // BINSTRING
  [0x55, (m) => m.push(m.text(m.uint8()))], // SHORT_BINSTRING
  [0x42, (m) => m.push(m.binary(m.uint32()))], // BINBYTES
  [0x43, (m) => m.push(m.binary(m.uint8()))], // SHORT_BINBYTES
  [0x8e, (m) => m.push(m.binary(m.uint64()))], // BINBYTES8
  [0x96, (m) => m.push(m.binary(m.uint64()))], // BYTEARRAY8
  [0x29, (m) => m.push([])], // EMPTY_TUPLE
  [0x5d, (m) => m.push([])], // EMPTY_LIST
  [0x7d, (m) => m.push({})], // EMPTY_DICT
  [0x8f, (m) => m.push([])], // EMPTY_SET
  [0x74, (m) => m.push(m.marked())], // TUPLE
  [0x6c, (m) => m.push(m.marked())], // LIST
  [0x91, (m) => m.push(m.marked())], // FROZENSET
  [0x64, (m) => m.push(dictOf(m.marked()))], // DICT
  [0x85, (m) => m.push(m.several(1))], // TUPLE1
  [0x86, (m) => m.push(m.several(2))], // TUPLE2
  [0x87, (m) => m.push(m.several(3))], // TUPLE3
  [0x61, (m) => m.append([m.pop()])], // APPEND
  [0x65, (m) => m.append(m.marked())], // APPENDS
  [0x90, (m) => m.append(m.marked())], // ADDITEMS
  [0x73, (m) => m.setItems(m.several(2))], // SETITEM
  [0x75, (m) => m.setItems(m.marked())], // SETITEMS
  [0x70, (m) => m.remember(Number(m.line()))], // PUT
  [0x71, (m) => m.remember(m.uint8())], // BINPUT
  [0x72, (m) => m.remember(m.uint32())], // LONG_BINPUT
  [0x94, (m) => m.remember()], // MEMOIZE
  [0x67, (m) => m.recall(Number(m.line()))], // GET
  [0x68, (m) => m.recall(m.uint8())], // BINGET
  [0x6a, (m) => m.recall(m.uint32())], // LONG_BINGET
  [0x63, (m) => m.global(m.line(), m.line())], // GLOBAL
  [
    0x93, // STACK_GLOBAL
    (m) => {
      const name = m.pop();
      m.global(m.pop(), name);
    },
  ],
  [0x52, (m) => m.call(m.pop())], // REDUCE
  [0x81, (m) => m.call(m.pop())], // NEWOBJ
  [0x51, (m) => m.persistent()], // BINPERSID
  // The attributes that BUILD gives an object are of no use to data; only known names make objects at all.
  [0x62, (m) => void m.pop()], // BUILD
]);

/** The object that a stream describes: dicts as objects, tuples, lists and sets as arrays, None as null. */
export function unpickle(bytes: Uint8Array, names: PickleNames): unknown {
  return new Machine(bytes, names).run();
}
