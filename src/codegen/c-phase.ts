// Writes one phase of a program as the body of a C function: names, statements, and the indices in them.
//
// Within a statement, an expression becomes a variable if it is used twice or its text would grow too long. A `let` is
// written where it is first used, as far as stores between allow: C compilers keep to the order they are given, and a
// register tile fills the registers, so that operands named ahead of their use would be spilled.

import type { Program } from "../lower/program.js";
import { type Atom, type Index, isNonNegative, subIndex, visitAtoms } from "../kernel/index.js";
import {
  type AllocStmt,
  type Buffer,
  type Expr,
  exprsOf,
  indicesOf,
  type LetStmt,
  type LoadExpr,
  type PackExpr,
  type Stmt,
  type StoreStmt,
  statementIndices,
  type TileAccess,
  type TileStmt,
  topologicalOrder,
  type Valid,
  visitStatements,
} from "../kernel/ir.js";
import { kindOf } from "../scalar/dtype.js";
import type { Helpers } from "./c-helpers.js";
import { castCode, type Code, compound, operand, operationCode, simple, splatCode } from "./c-operations.js";
import { RELEASE_TILES, tileConfiguration, tileLines } from "./c-tiles.js";
import { literal, memoryType, scalarType } from "./c-types.js";

/** Longest text of an expression that is still written in place. */
const LONGEST_INLINE = 80;

/** A name with all that C does not allow replaced. */
export function cIdentifier(name: string): string {
  const plain = name.replace(/[^A-Za-z0-9_]/g, "_");
  return /^[A-Za-z]/.test(plain) ? plain : `v${plain}`;
}

/** Names that generated code must not use for its own variables. */
const RESERVED = new Set(
  (
    "args symbols begin end local memory auto break case char const continue default do double else enum extern " +
    "float for goto if inline int long register restrict return short signed sizeof static struct switch " +
    "typedef union unsigned void volatile while asm typeof main linux unix floor_div floor_mod stream_fence i32u " +
    "i8 i16 i32 i64 u8 u16 u32 u64 f16 f32 f64"
  ).split(" "),
);
/** Helpers and vector types: `max_f32x16`, `splat_i32x4`, `f32x16u`. */
const RESERVED_FORM = /(^|_)[iuf](8|16|32|64)(x\d+u?)?$/;

/** Writes the body of one phase's function. */
export class PhaseWriter {
  private readonly lines: string[] = [];
  private depth = 1;
  private temporaries = 0;
  /** The phase stores past the caches. */
  private streams = false;
  /** The shapes that tile registers have throughout the phase, if they do not change. */
  private shape: string | undefined;
  private readonly taken = new Set<string>();
  private readonly atoms = new Map<Atom, string>();
  private readonly lets = new Map<string, string>();
  /** Lets of the current block that are not written yet, in order. */
  private readonly pending = new Map<string, PendingLet>();
  private readonly buffers = new Map<Buffer, string>();
  private readonly parameters = new Map<Buffer, string>();
  private readonly symbols = new Map<Atom, string>();

  constructor(
    private readonly program: Program,
    private readonly phase: number,
    private readonly helpers: Helpers,
  ) {}

  write(): string {
    const { atom, body } = this.program.phases[this.phase];
    for (const buffer of [...this.program.params, ...this.program.scratch]) {
      this.parameters.set(buffer, this.fresh(buffer.name));
    }
    for (const symbol of this.program.symbols) this.symbols.set(symbol, this.fresh(symbol.name));
    const name = this.fresh(atom.name);
    this.atoms.set(atom, name);
    const shapes = tileShapes(body);
    if (shapes.size === 1) {
      [this.shape] = shapes;
      this.line(this.shape);
    }
    this.block(`for (i64 ${name} = begin; ${name} < end; ${name}++) {`, body);
    if (shapes.size > 0) this.line(RELEASE_TILES);
    // Whoever waits for the phase must find there what went past the caches.
    if (this.streams) this.line(`${this.helpers.streamFence()}();`);
    return [...this.declarations(), ...this.lines].map((line) => `${line}\n`).join("");
  }

  /** Parameters and symbols that the body uses. */
  private declarations(): string[] {
    const lines: string[] = [];
    [...this.parameters].forEach(([buffer, name], i) => {
      const type = memoryType(buffer.dtype);
      if (this.buffers.has(buffer)) lines.push(`  ${type} *${name} = (${type} *)args[${i}];`);
    });
    [...this.symbols].forEach(([symbol, name], i) => {
      if (this.atoms.has(symbol)) lines.push(`  const i64 ${name} = symbols[${i}];`);
    });
    return lines;
  }

  private fail(message: string): never {
    throw new Error(message);
  }

  // Names ---------------------------------------------------------------------------------------------------------

  private fresh(wanted: string): string {
    const base = cIdentifier(wanted);
    let name = base;
    for (let i = 2; this.taken.has(name) || RESERVED.has(name) || RESERVED_FORM.test(name); i++) {
      name = `${base}_${i}`;
    }
    this.taken.add(name);
    return name;
  }

  private freshTemporary(): string {
    return this.fresh(`t${this.temporaries++}`);
  }

  private atomName(atom: Atom & { readonly name: string }): string {
    const known = this.atoms.get(atom);
    if (known !== undefined) return known;
    const symbol = this.symbols.get(atom) ?? this.fail(`${atom.kind} variable ${atom.name} is not bound`);
    this.atoms.set(atom, symbol);
    return symbol;
  }

  private bufferName(buffer: Buffer): string {
    const known = this.buffers.get(buffer);
    if (known !== undefined) return known;
    const parameter = this.parameters.get(buffer) ?? this.fail(`buffer ${buffer.name} is not declared`);
    this.buffers.set(buffer, parameter);
    return parameter;
  }

  // Statements ----------------------------------------------------------------------------------------------------

  private line(text: string): void {
    this.lines.push("  ".repeat(this.depth) + text);
  }

  private block(head: string, body: readonly Stmt[]): void {
    this.line(head);
    this.depth++;
    const outer = new Map(this.lets);
    for (const s of body) this.statement(s);
    this.pending.clear();
    this.lets.clear();
    for (const [name, value] of outer) this.lets.set(name, value);
    this.depth--;
    this.line("}");
  }

  private statement(s: Stmt): void {
    if (s.kind === "let") {
      this.let(s);
      return;
    }
    if (s.kind === "for" || s.kind === "if" || s.kind === "tile") this.writePending(() => true);
    if (s.kind === "store") {
      const place = s.buffer.space === "register" ? this.registerAt(s.buffer, s.index) : MEMORY;
      this.writePending((_, { reads }) => reads.has(place));
    }
    const roots = [...exprsOf(s)];
    const indices = s.kind === "alloc" ? [] : statementIndices(s);
    for (const index of indices) {
      visitAtoms(index, (atom) => {
        if (atom.kind === "loaded") roots.push(atom.value);
      });
    }
    const codes = this.expressions(roots);
    switch (s.kind) {
      case "for": {
        const name = this.fresh(s.atom.name);
        const extent = this.index(s.atom.extent, codes);
        this.atoms.set(s.atom, name);
        this.block(`for (i64 ${name} = 0; ${name} < ${extent.text}; ${name}++) {`, s.body);
        return;
      }
      case "if":
        this.block(`if (${this.valid(s.valid, codes).text}) {`, s.body);
        return;
      case "alloc":
        this.alloc(s);
        return;
      case "letIndex": {
        const name = this.fresh(s.atom.name);
        this.line(`const i64 ${name} = ${this.index(s.index, codes).text};`);
        this.atoms.set(s.atom, name);
        return;
      }
      case "store":
        this.store(s, codes);
        return;
      case "prefetch":
        this.line(`__builtin_prefetch(${this.bufferName(s.buffer)} + ${this.index(s.index, codes).text});`);
        return;
      case "tile":
        this.tile(s, codes);
        return;
      case "accumulate":
        this.fail("`accumulate` is left; lowering must replace it");
    }
  }

  private let({ name, value }: LetStmt): void {
    const mentions = new Set<string>();
    const reads = new Set<string>();
    for (const x of topologicalOrder([value])) {
      if (x.op === "ref") mentions.add(x.name);
      if (x.op === "load") {
        reads.add(x.buffer.space === "register" ? this.registerAt(x.buffer, x.index) : MEMORY);
      }
    }
    // A name bound anew: what is pending may mean the old one.
    const again = this.lets.has(name) || this.pending.has(name);
    if (again) this.writePending(() => true);
    if (again) this.writeLet(name, value);
    else this.pending.set(name, { value, mentions, reads });
  }

  private writeLet(name: string, value: Expr): void {
    const code = this.expressions([value]).get(value)!;
    const variable = this.fresh(name);
    this.line(`const ${this.helpers.type(value.dtype, value.lanes)} ${variable} = ${code.text};`);
    this.lets.set(name, variable);
  }

  /** Writes the pending lets that are wanted, and those that they mention, in order. */
  private writePending(isWanted: (name: string, pending: PendingLet) => boolean): void {
    if (this.pending.size === 0) return;
    const wanted = new Set<string>();
    for (const [name, pending] of [...this.pending].reverse()) {
      if (!wanted.has(name) && !isWanted(name, pending)) continue;
      wanted.add(name);
      for (const mentioned of pending.mentions) wanted.add(mentioned);
    }
    for (const [name, { value }] of [...this.pending]) {
      if (!wanted.has(name)) continue;
      this.pending.delete(name);
      this.writeLet(name, value);
    }
  }

  private alloc({ buffer, offset }: AllocStmt): void {
    let name = this.fresh(buffer.name);
    if (buffer.space === "register") {
      const type = this.helpers.type(buffer.dtype, buffer.lanes);
      const count = buffer.size.value ?? this.fail(`register buffer ${buffer.name} has no constant size`);
      const places = Array.from({ length: count }, (_, place) => place);
      while (places.some((place) => this.taken.has(`${name}_${place}`))) name = this.fresh(buffer.name);
      const variables = places.map((place) => `${name}_${place}`);
      for (const variable of variables) this.taken.add(variable);
      this.buffers.set(buffer, name);
      this.line(`${type} ${variables.join(", ")};`);
      return;
    }
    this.buffers.set(buffer, name);
    if (offset === undefined) this.fail(`local buffer ${buffer.name} has no offset`);
    const type = memoryType(buffer.dtype);
    this.line(`${type} *const ${name} = (${type} *)(local${offset === 0 ? "" : ` + ${offset}`});`);
  }

  private registerAt(buffer: Buffer, index: Index): string {
    const place = index.value ?? this.fail(`register buffer ${buffer.name} is used at ${index}`);
    return `${this.bufferName(buffer)}_${place}`;
  }

  private store({ buffer, index, value, stream }: StoreStmt, codes: Codes): void {
    const code = codes.get(value)!;
    if (buffer.space === "register") {
      this.line(`${this.registerAt(buffer, index)} = ${code.text};`);
      return;
    }
    const element = memoryType(buffer.dtype);
    const at = this.index(index, codes);
    const name = this.bufferName(buffer);
    if (
      value.dtype !== buffer.dtype &&
      kindOf(value.dtype) !== kindOf(buffer.dtype) &&
      !isIntegers(value, buffer)
    ) {
      this.fail(`${value.dtype} is stored to ${buffer.name}, a ${buffer.dtype} buffer`);
    }
    if (value.lanes === 1) {
      this.line(`${name}[${at.text}] = ${code.text};`);
      return;
    }
    const vector = this.helpers.vector(element, value.lanes);
    const bits = buffer.dtype === "bool" ? `${operand(code)} & 1` : code.text;
    const same = memoryType(value.dtype) === element && buffer.dtype !== "bool";
    const stored = same ? code.text : `${this.helpers.narrow(value.dtype, element, value.lanes)}(${bits})`;
    if (stream) {
      this.streams = true;
      this.line(`${this.helpers.stream(element, value.lanes)}(${name} + ${at.text}, ${stored});`);
    } else this.line(`*(${vector}u *)(${name} + ${at.text}) = ${stored};`);
  }

  private tile(s: TileStmt, codes: Codes): void {
    const place = ({ buffer, index }: TileAccess): string =>
      `${this.bufferName(buffer)} + ${operand(this.index(index, codes))}`;
    const [sums, left, right] = [s.sums, s.left, s.right].map((x) => {
      const start = this.freshTemporary();
      this.line(`char *const ${start} = (char *)(${place(x)});`);
      return start;
    });
    if (s.unit.kind !== "amx") {
      this.helpers.vector("i32", s.unit.lanes);
      this.helpers.unalignedInteger();
    }
    const shape = tileConfiguration(s);
    if (shape !== undefined && shape !== this.shape) this.line(shape);
    this.line("{");
    this.depth++;
    for (const line of tileLines(s, { sums, left, right })) this.line(line);
    this.depth--;
    this.line("}");
  }

  // Expressions ---------------------------------------------------------------------------------------------------

  /** The text of every expression under the roots, after writing the variables they need. */
  private expressions(roots: readonly Expr[]): Codes {
    const order = topologicalOrder(roots);
    const mentioned = new Set(order.flatMap((x) => (x.op === "ref" ? [x.name] : [])));
    this.writePending((name) => mentioned.has(name));
    const uses = new Map<Expr, number>();
    const count = (x: Expr): void => {
      uses.set(x, (uses.get(x) ?? 0) + 1);
    };
    const named = new Set<Expr>();
    for (const x of order) {
      x.args.forEach(count);
      if (x.op === "extract") named.add(x.args[0]);
      for (const index of indicesOf(x)) {
        visitAtoms(index, (atom) => {
          if (atom.kind === "loaded") count(atom.value);
        });
      }
    }
    roots.forEach(count);
    const codes: Codes = new Map();
    for (const x of order) {
      const code = this.expression(x, codes);
      const shared = (uses.get(x) ?? 0) > 1 || named.has(x);
      const root = roots.length === 1 && x === roots[0];
      const wanted = shared ? !isFree(x) && !isVariable(code) : code.text.length > LONGEST_INLINE && !root;
      codes.set(x, wanted ? this.temporary(x, code) : code);
    }
    return codes;
  }

  private temporary(x: Expr, code: Code): Code {
    const name = this.freshTemporary();
    this.line(`const ${this.helpers.type(x.dtype, x.lanes)} ${name} = ${code.text};`);
    return simple(name);
  }

  private expression(x: Expr, codes: Codes): Code {
    const args = x.args.map((arg) => codes.get(arg)!);
    const { lanes } = x;
    switch (x.op) {
      case "const": {
        const text = literal(x.value, x.dtype);
        if (lanes === 1) return { text, simple: !text.startsWith("-") };
        return splatCode(this.helpers, x.dtype === "bool" && x.value ? "-1" : text, x.dtype, lanes);
      }
      case "index": {
        const code = this.index(x.index, codes);
        return x.dtype === "int64" ? code : compound(`(${scalarType(x.dtype)})${operand(code)}`);
      }
      case "valid":
        return this.valid(x.valid, codes);
      case "load":
        return this.load(x, codes);
      case "ref":
        return simple(this.lets.get(x.name) ?? this.fail(`${x.name} is not bound where it is used`));
      case "splat":
        return splatCode(
          this.helpers,
          x.dtype === "bool" ? `-${operand(args[0])}` : args[0].text,
          x.dtype,
          lanes,
        );
      case "pack":
        return this.pack(x, args, codes);
      case "extract": {
        const lane = `${operand(args[0])}[${x.lane}]`;
        return x.dtype === "bool" ? compound(`-${lane}`) : simple(lane);
      }
      case "shuffle":
        if (lanes < x.args[0].lanes) {
          const part = this.helpers.part(x.dtype, x.args[0].lanes, lanes);
          return simple(`${part}(${args[0].text}, ${x.picks[0] / lanes})`);
        }
        // In parentheses: to a macro, commas in braces would divide arguments.
        return simple(
          `${this.helpers.shuffle(x.dtype, lanes)}(${args.map((a) => `(${a.text})`).join(", ")}, ${x.picks.join(", ")})`,
        );
      case "cast":
        return castCode(this.helpers, args[0], x.args[0].dtype, x.dtype, lanes);
      case "bitcast": {
        const from = x.args[0].dtype;
        if (lanes > 1) return compound(`(${this.helpers.type(x.dtype, lanes)})${operand(args[0])}`);
        return simple(`${this.helpers.bits(from, x.dtype)}(${args[0].text})`);
      }
      default:
        return operationCode(this.helpers, x, args);
    }
  }

  private pack(x: PackExpr, args: readonly Code[], codes: Codes): Code {
    const type = this.helpers.type(x.dtype, x.lanes);
    const offsets = offsetsOf(x.args);
    if (offsets !== undefined && x.args[0].op === "index") {
      const start = `(${scalarType(x.dtype)})${operand(this.index(x.args[0].index, codes))}`;
      return compound(
        `${splatCode(this.helpers, start, x.dtype, x.lanes).text} + (${type}){${offsets.join(", ")}}`,
      );
    }
    const items = args.map((arg) => (x.dtype === "bool" ? `-${operand(arg)}` : arg.text));
    return simple(`(${type}){${items.join(", ")}}`);
  }

  private load(x: LoadExpr, codes: Codes): Code {
    const { buffer, lanes, dtype } = x;
    if (buffer.space === "register") return simple(this.registerAt(buffer, x.index));
    const name = this.bufferName(buffer);
    const at = this.index(x.index, codes).text;
    const element = memoryType(buffer.dtype);
    const guarded = x.valid.some((v) => !isNonNegative(v));
    if (lanes === 1) {
      const plain = `${name}[${at}]`;
      const wide = buffer.dtype === dtype ? plain : `(${scalarType(dtype)})${plain}`;
      const code: Code = { text: wide, simple: wide === plain };
      return guarded ? compound(`${operand(this.valid(x.valid, codes))} ? ${code.text} : 0`) : code;
    }
    const memory = this.helpers.vector(element, lanes);
    const type = this.helpers.type(dtype, lanes);
    const plain = `*(const ${memory}u *)(${name} + ${at})`;
    const wide = memory === type ? plain : `${this.helpers.widen(element, dtype, lanes)}(${plain})`;
    const code = compound(dtype === "bool" ? `-${wide}` : wide);
    if (!guarded) return code;
    const variable = this.freshTemporary();
    this.line(`${type} ${variable} = {0};`);
    this.line(`if (${this.valid(x.valid, codes).text}) ${variable} = ${code.text};`);
    return simple(variable);
  }

  // Indices -------------------------------------------------------------------------------------------------------

  private index(x: Index, codes: Codes): Code {
    const [only] = x.terms;
    if (x.terms.length === 1 && x.constant === 0 && only.coefficient === 1 && only.atoms.length === 1) {
      return this.atom(only.atoms[0], codes);
    }
    const parts: string[] = [];
    for (const { coefficient, atoms } of x.terms) {
      const factors = atoms.map((atom) => operand(this.atom(atom, codes)));
      const size = Math.abs(coefficient);
      if (size !== 1) factors.push(String(size));
      const sign = coefficient < 0 ? "-" : parts.length > 0 ? "+" : "";
      parts.push(parts.length === 0 ? `${sign}${factors.join(" * ")}` : `${sign} ${factors.join(" * ")}`);
    }
    if (parts.length === 0) return { text: String(x.constant), simple: x.constant >= 0 };
    if (x.constant !== 0) parts.push(`${x.constant < 0 ? "-" : "+"} ${Math.abs(x.constant)}`);
    return compound(parts.join(" "));
  }

  private atom(atom: Atom, codes: Codes): Code {
    if (atom.kind === "loaded") return compound(`(i64)${operand(codes.get(atom.value)!)}`);
    if (atom.kind !== "div" && atom.kind !== "mod") return simple(this.atomName(atom));
    const { numerator, divisor } = atom;
    const a = this.index(numerator, codes);
    const d = divisor.value;
    // Shifts and masks are floor division and remainder for either sign.
    if (d !== undefined && d > 0 && d < 2 ** 31 && Number.isInteger(Math.log2(d))) {
      // In parentheses: comparisons bind more tightly than masks.
      return simple(
        atom.kind === "div" ? `(${operand(a)} >> ${Math.log2(d)})` : `(${operand(a)} & ${d - 1})`,
      );
    }
    const b = this.index(divisor, codes);
    const sign = atom.kind === "div" ? "/" : "%";
    if (isNonNegative(numerator)) {
      // Unsigned, and narrow where it fits: a multiplication instead of a long division or a correction of signs.
      const type = numerator.max < 2 ** 32 && divisor.max < 2 ** 32 ? "u32" : "u64";
      return compound(`(i64)((${type})${operand(a)} ${sign} (${type})${operand(b)})`);
    }
    const f = atom.kind === "div" ? this.helpers.floorDivide() : this.helpers.floorRemainder();
    return simple(`${f}(${a.text}, ${b.text})`);
  }

  private valid(valid: Valid, codes: Codes): Code {
    const tests = valid
      .filter((v) => !isNonNegative(v))
      .map((v) => (v.max < 0 ? "0" : `${this.index(v, codes).text} >= 0`));
    if (tests.length === 0) return simple("1");
    return compound(tests.join(" && "));
  }
}

/** The shapes of tile registers that the tiles of a body want. */
function tileShapes(body: readonly Stmt[]): Set<string> {
  const shapes = new Set<string>();
  visitStatements(body, (s) => {
    const shape = s.kind === "tile" ? tileConfiguration(s) : undefined;
    if (shape !== undefined) shapes.add(shape);
  });
  return shapes;
}

type Codes = Map<Expr, Code>;

interface PendingLet {
  readonly value: Expr;
  /** Other lets that its value uses. */
  readonly mentions: ReadonlySet<string>;
  /** Register variables that it reads, and MEMORY if it reads any. */
  readonly reads: ReadonlySet<string>;
}
/** Stands for all memory: parameters may be the same, and local buffers may share their places. */
const MEMORY = "memory";

const isVariable = ({ text }: Code): boolean => /^[A-Za-z]\w*$/.test(text);

/** Not worth a variable: literals, variables and registers. */
const isFree = (x: Expr): boolean =>
  x.op === "ref" || x.op === "const" || (x.op === "load" && x.buffer.space === "register");

const isIntegers = (value: Expr, buffer: Buffer): boolean =>
  [value.dtype, buffer.dtype].every((dtype) => kindOf(dtype) === "signed" || kindOf(dtype) === "unsigned");

/** If all are one index plus constants: those constants. */
function offsetsOf(args: readonly Expr[]): number[] | undefined {
  const [first] = args;
  if (first.op !== "index") return undefined;
  const offsets: number[] = [];
  for (const arg of args) {
    const offset = arg.op === "index" ? subIndex(arg.index, first.index).value : undefined;
    if (offset === undefined || Math.abs(offset) >= 2 ** 31) return undefined;
    offsets.push(offset);
  }
  return offsets;
}
