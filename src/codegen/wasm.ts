// Programs as a WebAssembly module, written byte by byte. Every phase of every program becomes one exported function
//   (args, symbols, begin, end, local): all i32
// where `args` points to the i32 addresses of the program's buffers (parameters, then scratch), `symbols` to the i32
// values of its symbols, `local` to the thread's own memory, and [begin, end) is a range of the phase's loop.

import type { Atom, Index } from "../kernel/index.js";
import {
  type Buffer,
  type Expr,
  type ForStmt,
  type Stmt,
  statementIndices,
  type StoreStmt,
  type TileStmt,
} from "../kernel/ir.js";
import { visitAtoms } from "../kernel/index.js";
import type { Phase, Program } from "../lower/program.js";
import { bytesOf } from "../scalar/dtype.js";
import { encodeModule, type WasmType } from "./wasm-encoder.js";
import { indexNode, validNode } from "./wasm-index.js";
import {
  Arena,
  Code,
  Evaluation,
  isConstant,
  localGet,
  localSet,
  localTee,
  type Node,
} from "./wasm-nodes.js";
import {
  isRegisterDType,
  laneBytes,
  SCALAR_STORES,
  scalarCode,
  shapeOf,
  VECTOR_ACCESS,
} from "./wasm-opcodes.js";
import { putTile } from "./wasm-tiles.js";
import { printFunction } from "./wasm-text.js";
import { memoryCode, Selection, type ValueScope } from "./wasm-values.js";
import { partCount, type Parts } from "./wasm-vectors.js";

export interface WasmOptions {
  /** The memory is shared between threads. */
  readonly shared: boolean;
  /** Relaxed vector instructions (fused multiply-add, selects by mask) may be used. */
  readonly relaxed: boolean;
}

const PARAMETERS: readonly WasmType[] = ["i32", "i32", "i32", "i32", "i32"];
const ARGS = 0;
const SYMBOLS = 1;
const BEGIN = 2;
const END = 3;
const LOCAL = 4;

const I32_LOAD = 0x28;
const BLOCK: readonly number[] = [0x02, 0x40];
const LOOP: readonly number[] = [0x03, 0x40];
const IF: readonly number[] = [0x04, 0x40];
const BLOCK_END: readonly number[] = [0x0b];
const BRANCH_IF = (depth: number): number[] => [0x0d, depth];

/** The bytes of a module with the functions of all phases of these programs, in order, named "0", "1", ... */
export function generateWasm(programs: readonly Program[], options: WasmOptions): Uint8Array {
  return assembleModule(
    programs.flatMap((program) => programFunctions(program, options)),
    options,
  );
}

/** Functions made by `programFunctions` as a module. */
export function assembleModule(functions: readonly Uint8Array[], { shared }: WasmOptions): Uint8Array {
  return encodeModule(functions, PARAMETERS, { shared });
}

/** The code of each phase of a program. Equal code does equal work. */
export function programFunctions(program: Program, options: WasmOptions): Uint8Array[] {
  return program.phases.map((phase) => new PhaseFunction(program, phase, options).generate());
}

/** The code of each phase of a program as text. */
export function printWasm(program: Program, options: WasmOptions): string {
  const texts = programFunctions(program, options).map((code, i) => `phase ${i}:\n${printFunction(code)}\n`);
  return texts.join("\n");
}

/** Where the value of an index atom is: in a local or known; and how many loops enclose its binding. */
interface AtomPlace {
  readonly local?: number;
  readonly constant?: number;
  readonly depth: number;
}
/** A part of a value bound by `let`: a local, or a constant's code. */
type HeldPart =
  | { readonly type: WasmType; readonly local: number }
  | { readonly type: WasmType; readonly code: Node };

class PhaseFunction implements ValueScope {
  arena = new Arena();
  readonly relaxed: boolean;
  private readonly code = new Code(PARAMETERS);
  private readonly prologue: number[] = [];
  private readonly atoms = new Map<Atom, AtomPlace>();
  private readonly lets = new Map<string, readonly HeldPart[]>();
  private readonly registers = new Map<Buffer, readonly (readonly HeldPart[])[]>();
  private readonly localOffsets = new Map<Buffer, number>();
  private readonly baseLocals = new Map<Buffer, number>();
  private readonly slots: Map<Buffer, number>;
  private depth = 0;

  constructor(
    private readonly program: Program,
    private readonly phase: Phase,
    options: WasmOptions,
  ) {
    this.relaxed = options.relaxed;
    this.slots = new Map([...program.params, ...program.scratch].map((buffer, i) => [buffer, i]));
  }

  generate(): Uint8Array {
    const { code } = this;
    const { atom, body } = this.phase;
    code.put([
      ...BLOCK,
      ...localGet(BEGIN),
      ...localGet(END),
      ...scalarCode("ge_s", "i32")!,
      ...BRANCH_IF(0),
    ]);
    this.loop(atom, BEGIN, localGet(END), body);
    code.put(BLOCK_END);
    return code.finish(this.prologue);
  }

  fail(message: string): never {
    throw new Error(`program ${this.program.name}: ${message}`);
  }

  // Names -----------------------------------------------------------------------------------------------------------

  atomNode(atom: Atom): Node {
    const place = this.place(atom);
    return place.constant === undefined
      ? this.arena.local("i32", place.local!)
      : this.arena.i32(place.constant);
  }

  atomDepth(atom: Atom): number {
    return atom.kind === "loaded" ? this.depth : this.place(atom).depth;
  }

  private place(atom: Atom): AtomPlace {
    const known = this.atoms.get(atom);
    if (known !== undefined) return known;
    if (atom.kind !== "symbol")
      return this.fail(`index atom ${atom.kind} #${atom.id} is not bound where it is used`);
    const at = this.program.symbols.indexOf(atom);
    if (at < 0) return this.fail(`symbol ${atom.name} is not listed`);
    const place = { local: this.loadedOnce(SYMBOLS, at), depth: 0 };
    this.atoms.set(atom, place);
    return place;
  }

  /** A local that the prologue fills from one of the tables the function is passed. */
  private loadedOnce(table: number, at: number): number {
    const local = this.code.acquireFresh("i32");
    const access = { code: [I32_LOAD], align: 2, type: "i32" } as const;
    this.prologue.push(...localGet(table), ...memoryCode(access, at * 4), ...localSet(local));
    return local;
  }

  base(buffer: Buffer): { node: Node; offset: number } {
    const offset = this.localOffsets.get(buffer);
    if (offset !== undefined) return { node: this.arena.local("i32", LOCAL), offset };
    let local = this.baseLocals.get(buffer);
    if (local === undefined) {
      const slot = this.slots.get(buffer);
      if (slot === undefined) return this.fail(`buffer ${buffer.name} is not declared where it is used`);
      local = this.loadedOnce(ARGS, slot);
      this.baseLocals.set(buffer, local);
    }
    return { node: this.arena.local("i32", local), offset: 0 };
  }

  register(buffer: Buffer, index: Index): Parts {
    return this.variable(buffer, index).map((part) => this.heldNode(part));
  }

  private variable(buffer: Buffer, index: Index): readonly HeldPart[] {
    const variables = this.registers.get(buffer);
    if (variables === undefined) return this.fail(`register ${buffer.name} is not declared where it is used`);
    const variable = index.value === undefined ? undefined : variables[index.value];
    return (
      variable ??
      this.fail(`register ${buffer.name}[${index}] is not one of its ${variables.length} variables`)
    );
  }

  named(name: string): Parts {
    const parts = this.lets.get(name);
    if (parts === undefined) return this.fail(`${name} is not bound where it is used`);
    return parts.map((part) => this.heldNode(part));
  }

  private heldNode(part: HeldPart): Node {
    return "code" in part
      ? this.arena.node(part.type, part.code.code)
      : this.arena.local(part.type, part.local);
  }

  // Statements ------------------------------------------------------------------------------------------------------

  /** A block; names bound in it end with it, and their locals serve others. */
  private block(body: readonly Stmt[]): void {
    const ends: (() => void)[] = [];
    for (const s of body) this.statement(s, ends);
    for (const end of ends.reverse()) end();
  }

  private statement(s: Stmt, ends: (() => void)[]): void {
    this.arena = new Arena();
    switch (s.kind) {
      case "for":
        this.forLoop(s);
        break;
      case "if":
        this.conditional(s.valid, s.body);
        break;
      case "store":
        this.store(s);
        break;
      case "alloc":
        this.alloc(s.buffer, s.offset, ends);
        break;
      case "let":
        this.bindValue(s.name, s.value, ends);
        break;
      case "letIndex":
        this.bindIndex(s.atom, s.index, ends);
        break;
      case "tile":
        this.tile(s);
        break;
      case "accumulate":
        this.fail("an accumulate statement is left; lowering should have expanded it");
    }
  }

  /** The values a statement needs, those behind the loaded indices it mentions included. */
  private selection(roots: readonly Expr[], indices: readonly Index[]): Selection {
    const all = [...roots];
    for (const index of indices) {
      visitAtoms(index, (atom) => {
        if (atom.kind === "loaded") all.push(atom.value);
      });
    }
    return new Selection(this, all);
  }

  private forLoop(s: ForStmt): void {
    const { atom, body } = s;
    const extent = atom.extent.value;
    if (extent !== undefined && extent <= 0) return;
    if (extent === 1) {
      this.atoms.set(atom, { constant: 0, depth: this.depth });
      this.block(body);
      this.atoms.delete(atom);
      return;
    }
    const { code } = this;
    const counter = code.acquire("i32");
    if (extent !== undefined) {
      code.put([...this.arena.i32(0).code, ...localSet(counter)]);
      this.loop(atom, counter, this.arena.i32(extent).code, body);
    } else {
      const end = code.acquire("i32");
      const values = this.selection([], statementIndices(s));
      const node = indexNode(atom.extent, "i32", values);
      this.evaluate([node], () => localSet(end));
      code.put([...BLOCK, ...localGet(end), ...this.arena.i32(0).code, ...scalarCode("le_s", "i32")!]);
      code.put([...BRANCH_IF(0), ...this.arena.i32(0).code, ...localSet(counter)]);
      this.loop(atom, counter, localGet(end), body);
      code.put(BLOCK_END);
      code.release(end);
    }
    code.release(counter);
  }

  /** A loop that runs at least once, from the counter's value at entry. */
  private loop(atom: Atom, counter: number, end: readonly number[], body: readonly Stmt[]): void {
    const { code } = this;
    this.depth++;
    this.atoms.set(atom, { local: counter, depth: this.depth });
    code.put(LOOP);
    this.block(body);
    code.put([...localGet(counter), ...this.arena.i32(1).code, ...scalarCode("add", "i32")!]);
    code.put([...localTee(counter), ...end, ...scalarCode("lt_s", "i32")!, ...BRANCH_IF(0), ...BLOCK_END]);
    this.atoms.delete(atom);
    this.depth--;
  }

  private conditional(valid: readonly Index[], body: readonly Stmt[]): void {
    if (valid.some((index) => index.max < 0)) return;
    const condition = validNode(valid, this.selection([], valid));
    if (condition === undefined) {
      this.block(body);
      return;
    }
    this.evaluate([condition], () => IF);
    this.block(body);
    this.code.put(BLOCK_END);
  }

  private alloc(buffer: Buffer, offset: number | undefined, ends: (() => void)[]): void {
    if (buffer.space !== "register") {
      if (offset === undefined) this.fail(`local buffer ${buffer.name} has no place in local memory`);
      this.localOffsets.set(buffer, offset);
      return;
    }
    const { dtype, lanes, size } = buffer;
    if (!isRegisterDType(dtype) || size.value === undefined) {
      this.fail(`register ${buffer.name} of ${dtype} and size ${size} cannot be held in variables`);
    }
    const type: WasmType = lanes === 1 ? shapeOf(dtype) : "v128";
    const parts = lanes === 1 ? 1 : partCount(dtype, lanes);
    const variables = Array.from({ length: size.value }, () =>
      Array.from({ length: parts }, () => ({ type, local: this.code.acquire(type) })),
    );
    this.registers.set(buffer, variables);
    ends.push(() => {
      for (const variable of variables) for (const { local } of variable) this.code.release(local);
    });
  }

  private bindValue(name: string, value: Expr, ends: (() => void)[]): void {
    const { code } = this;
    const parts = this.selection([value], []).parts(value);
    const held = parts.map((node): HeldPart & { node: Node } =>
      isConstant(node)
        ? { type: node.type, code: node, node }
        : { type: node.type, local: code.acquire(node.type), node },
    );
    const computed = held.filter((part) => "local" in part);
    this.evaluate(
      computed.map((part) => part.node),
      (i) => localSet((computed[i] as { local: number }).local),
    );
    const hidden = this.lets.get(name);
    this.lets.set(name, held);
    ends.push(() => {
      for (const part of held) if ("local" in part) code.release(part.local);
      if (hidden === undefined) this.lets.delete(name);
      else this.lets.set(name, hidden);
    });
  }

  private bindIndex(atom: Atom, index: Index, ends: (() => void)[]): void {
    if (index.value !== undefined) {
      this.atoms.set(atom, { constant: index.value, depth: 0 });
    } else {
      const node = indexNode(index, "i32", this.selection([], [index]));
      const local = this.code.acquire("i32");
      this.evaluate([node], () => localSet(local));
      this.atoms.set(atom, { local, depth: this.depth });
      ends.push(() => this.code.release(local));
    }
    ends.push(() => this.atoms.delete(atom));
  }

  private store({ buffer, index, value }: StoreStmt): void {
    const values = this.selection([value], [index]);
    const parts = values.parts(value);
    if (buffer.space === "register") {
      const variable = this.variable(buffer, index);
      if (variable.length !== parts.length) {
        this.fail(`register ${buffer.name} of ${buffer.lanes} lanes takes a value of ${value.lanes}`);
      }
      this.evaluate(parts, (i) => localSet((variable[i] as { local: number }).local));
      return;
    }
    const { node, offset } = values.address(buffer, index);
    const bytes = bytesOf(buffer.dtype);
    if (value.lanes === 1) {
      const access = SCALAR_STORES[buffer.dtype];
      if (access === undefined) this.fail(`buffer ${buffer.name} has dtype ${buffer.dtype}`);
      const evaluation = new Evaluation(this.code, [node, parts[0]]);
      evaluation.push(node);
      evaluation.push(parts[0]);
      this.code.put(memoryCode(access, offset));
      evaluation.end();
      return;
    }
    const narrow = isRegisterDType(value.dtype) && bytes < laneBytes(value.dtype);
    const vectors = narrow ? values.narrowed(parts, buffer) : parts;
    const roots = vectors.flatMap((vector) => [node, vector]);
    // All is computed before the first byte is written, since it may depend on what is overwritten.
    const evaluation = new Evaluation(this.code, roots, vectors.length > 1 ? vectors : []);
    vectors.forEach((vector, i) => {
      const left = Math.min(16, value.lanes * bytes - i * 16) as 1 | 2 | 4 | 8 | 16;
      evaluation.push(node);
      evaluation.push(vector);
      if (left === 16) this.code.put(memoryCode(VECTOR_ACCESS.store, offset + i * 16));
      else this.code.put([...memoryCode(VECTOR_ACCESS.storeLow[left], offset + i * 16), 0]);
    });
    evaluation.end();
  }

  private tile(s: TileStmt): void {
    const accesses = [s.sums, s.left, s.right];
    const values = this.selection(
      [],
      accesses.map(({ index }) => index),
    );
    const starts = accesses.map(({ buffer, index }) => {
      const { node, offset } = values.address(buffer, index);
      return this.arena.node("i32", scalarCode("add", "i32")!, [node, this.arena.i32(offset)]);
    });
    const locals = starts.map(() => this.code.acquire("i32"));
    this.evaluate(starts, (i) => localSet(locals[i]));
    const [sums, left, right] = locals;
    putTile(this.code, s, { sums, left, right });
    for (const local of locals) this.code.release(local);
  }

  /** Leaves the values of nodes on the stack in order, then puts `take(i)` for each, the last first. */
  private evaluate(nodes: readonly Node[], take: (i: number) => readonly number[]): void {
    const evaluation = new Evaluation(this.code, nodes);
    for (const node of nodes) evaluation.push(node);
    for (let i = nodes.length - 1; i >= 0; i--) this.code.put(take(i));
    evaluation.end();
  }
}
