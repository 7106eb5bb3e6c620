// Between expressions and bytes: a graph of single instructions over WebAssembly values, hash-consed per statement so
// that nothing is computed twice, and its emission: what is used once stays on the operand stack, the rest goes into
// locals. Emission is iterative; graphs may be thousands of nodes deep.

import {
  type Bytes,
  encodeLocals,
  float32Bytes,
  float64Bytes,
  signedLeb,
  typeCode,
  unsignedLeb,
  type WasmType,
} from "./wasm-encoder.js";
import { V128 } from "./wasm-opcodes.js";

/** One instruction with its immediates, applied to the values of other nodes. */
export interface Node {
  readonly type: WasmType;
  readonly code: Bytes;
  readonly args: readonly Node[];
  /** For a load: executed only where this i32 is not 0, else the value is zero. */
  readonly guard?: Node;
  readonly id: number;
  /** The number an i32 constant stands for. */
  readonly constant?: number;
}

/** Makes nodes; equal ones are the same object. */
export class Arena {
  private readonly nodes = new Map<string, Node>();

  node(type: WasmType, code: Bytes, args: readonly Node[] = [], guard?: Node, constant?: number): Node {
    const key = `${code.join()}|${args.map((a) => a.id).join()}|${guard?.id ?? ""}`;
    let node = this.nodes.get(key);
    if (node === undefined) {
      node = { type, code, args, guard, id: this.nodes.size, constant };
      this.nodes.set(key, node);
    }
    return node;
  }

  i32(value: number): Node {
    const wrapped = value | 0;
    return this.node("i32", [0x41, ...signedLeb(wrapped)], [], undefined, wrapped);
  }

  i64(value: bigint): Node {
    return this.node("i64", [0x42, ...signedLeb(BigInt.asIntN(64, value))]);
  }

  f32(value: number): Node {
    return this.node("f32", [0x43, ...float32Bytes(value)]);
  }

  f64(value: number): Node {
    return this.node("f64", [0x44, ...float64Bytes(value)]);
  }

  v128(bytes: Uint8Array): Node {
    return this.node("v128", [...V128.constant, ...bytes]);
  }

  local(type: WasmType, local: number): Node {
    return this.node(type, localGet(local));
  }
}

export const localGet = (local: number): number[] => [0x20, ...unsignedLeb(local)];
export const localSet = (local: number): number[] => [0x21, ...unsignedLeb(local)];
export const localTee = (local: number): number[] => [0x22, ...unsignedLeb(local)];

/** Constants and locals: no work to repeat. */
const isLeaf = (node: Node): boolean => node.args.length === 0;
/** A value that nothing can change. */
export const isConstant = (node: Node): boolean => isLeaf(node) && node.code[0] !== 0x20;

const ZEROS: Record<WasmType, Bytes> = {
  i32: [0x41, 0],
  i64: [0x42, 0],
  f32: [0x43, 0, 0, 0, 0],
  f64: [0x44, 0, 0, 0, 0, 0, 0, 0, 0],
  v128: [...V128.constant, ...new Uint8Array(16)],
};

/** The code of one function while it is written: bytes and locals. */
export class Code {
  private readonly bytes: number[] = [];
  private readonly localTypes: WasmType[];
  private readonly unused: Record<WasmType, number[]> = { i32: [], i64: [], f32: [], f64: [], v128: [] };

  constructor(private readonly parameters: readonly WasmType[]) {
    this.localTypes = [...parameters];
  }

  put(bytes: Bytes): void {
    for (const byte of bytes) this.bytes.push(byte);
  }

  /** A local for a while; its value at first is rubbish. */
  acquire(type: WasmType): number {
    return this.unused[type].pop() ?? this.acquireFresh(type);
  }

  /** A local that no code put so far has touched. */
  acquireFresh(type: WasmType): number {
    return this.localTypes.push(type) - 1;
  }

  release(local: number): void {
    this.unused[this.localTypes[local]].push(local);
  }

  /** The function's locals, then `prologue`, then what was put, then the final `end`. */
  finish(prologue: Bytes): Uint8Array {
    const locals = encodeLocals(this.localTypes.slice(this.parameters.length));
    const whole = new Uint8Array(locals.length + prologue.length + this.bytes.length + 1);
    whole.set(locals);
    whole.set(prologue, locals.length);
    whole.set(this.bytes, locals.length + prologue.length);
    whole[whole.length - 1] = 0x0b;
    return whole;
  }
}

/** The values of one statement on their way into code. */
export class Evaluation {
  private readonly held = new Map<Node, number>();

  /**
   * Puts the code of every node that the roots use more than once, each into a local, and of those in `hold`. Then
   * `push` puts what remains. Roots are to be pushed as often as they are given here.
   */
  constructor(
    private readonly code: Code,
    roots: readonly Node[],
    hold: readonly Node[] = [],
  ) {
    const { order, uses } = countUses([...hold, ...roots]);
    const forced = new Set(hold);
    for (const node of order) {
      if (isLeaf(node) ? !forced.has(node) : uses.get(node)! < 2 && !forced.has(node)) continue;
      this.push(node);
      const local = code.acquire(node.type);
      code.put(localSet(local));
      this.held.set(node, local);
    }
  }

  /** Puts the code that leaves a node's value on the stack. */
  push(root: Node): void {
    const pending: (Node | Bytes)[] = [root];
    while (pending.length > 0) {
      const next = pending.pop()!;
      if (!isNode(next)) {
        this.code.put(next);
        continue;
      }
      const local = this.held.get(next);
      if (local !== undefined) {
        this.code.put(localGet(local));
        continue;
      }
      if (next.guard !== undefined) pending.push([0x05, ...ZEROS[next.type], 0x0b]);
      pending.push(next.code);
      for (let i = next.args.length - 1; i >= 0; i--) pending.push(next.args[i]);
      if (next.guard !== undefined) pending.push([0x04, typeCode(next.type)], next.guard);
    }
  }

  /** Gives the locals back; nothing more can be pushed. */
  end(): void {
    for (const local of this.held.values()) this.code.release(local);
  }
}

const isNode = (x: Node | Bytes): x is Node => !Array.isArray(x);

/** Every node reachable from the roots, operands first, and how often each is used (as a root too). */
function countUses(roots: readonly Node[]): { order: Node[]; uses: Map<Node, number> } {
  const order: Node[] = [];
  const uses = new Map<Node, number>();
  const stack: { node: Node; done: boolean }[] = [];
  for (let i = roots.length - 1; i >= 0; i--) stack.push({ node: roots[i], done: false });
  while (stack.length > 0) {
    const { node, done } = stack.pop()!;
    if (done) {
      order.push(node);
      continue;
    }
    const count = uses.get(node) ?? 0;
    uses.set(node, count + 1);
    if (count > 0) continue;
    stack.push({ node, done: true });
    for (let i = node.args.length - 1; i >= 0; i--) stack.push({ node: node.args[i], done: false });
    if (node.guard !== undefined) stack.push({ node: node.guard, done: false });
  }
  return { order, uses };
}
