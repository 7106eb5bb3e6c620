// Prints programs as C for the system's compiler: no headers, explicit vector types, one function a phase.
//
//   void NAME_p0(char **args, const i64 *symbols, i64 begin, i64 end, char *local)
//
// runs iterations [begin, end) of a phase's loop. `args` are the parameters then the scratch buffers, `symbols` the
// program's symbols in order, `local` 64-byte aligned memory of the calling thread. The text holds nothing that
// differs between processes, so it can be a cache's key.
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
  type ScalarExpr,
  type Stmt,
  type StoreStmt,
  statementIndices,
  topologicalOrder,
  type Valid,
} from "../kernel/ir.js";
import { type DType, isFloat, kindOf } from "../scalar/dtype.js";
import { Helpers } from "./c-helpers.js";
import { literal, memoryType, SCALAR_TYPEDEFS, scalarType } from "./c-types.js";

/** Longest text of an expression that is still written in place. */
const LONGEST_INLINE = 80;

/** A program's code before its functions are named. */
export interface CKernel {
  readonly helpers: Helpers;
  /** The body of each phase's function. */
  readonly bodies: readonly string[];
}

export const phaseFunction = (name: string, phase: number): string => `${name}_p${phase}`;

/** A name with all that C does not allow replaced. */
export function cIdentifier(name: string): string {
  const plain = name.replace(/[^A-Za-z0-9_]/g, "_");
  return /^[A-Za-z]/.test(plain) ? plain : `v${plain}`;
}

/** One unit of C with the functions of all programs; names must differ. */
export function generateC(
  programs: readonly Program[],
  names: readonly string[] = programs.map((p) => cIdentifier(p.name)),
): string {
  return assembleC(
    programs.map((program) => generateKernel(program)),
    names,
  );
}

/** Joins kernels to a unit under these names; helpers that they share come once. */
export function assembleC(kernels: readonly CKernel[], names: readonly string[]): string {
  const typedefs = new Map<string, string>();
  const functions = new Map<string, string>();
  for (const { helpers } of kernels) {
    for (const [name, text] of helpers.typedefs) typedefs.set(name, text);
    for (const [name, text] of helpers.functions) functions.set(name, text);
  }
  const parts = [SCALAR_TYPEDEFS, ...typedefs.values()];
  if (functions.size > 0) parts.push("#ifndef __has_builtin\n#define __has_builtin(x) 0\n#endif");
  parts.push(...functions.values());
  kernels.forEach(({ bodies }, i) => {
    bodies.forEach((body, phase) => {
      const parameters = "char **args, const i64 *symbols, i64 begin, i64 end, char *local";
      parts.push(`\nvoid ${phaseFunction(names[i], phase)}(${parameters}) {\n${body}}`);
    });
  });
  return `${parts.join("\n")}\n`;
}

export function generateKernel(program: Program): CKernel {
  const helpers = new Helpers();
  return {
    helpers,
    bodies: program.phases.map((_, phase) => new PhaseWriter(program, phase, helpers).write()),
  };
}

// ---------------------------------------------------------------------------------------------------------------

/** Names that generated code must not use for its own variables. */
const RESERVED = new Set(
  (
    "args symbols begin end local memory auto break case char const continue default do double else enum extern float for " +
    "goto if inline int long register restrict return short signed sizeof static struct switch typedef union " +
    "unsigned void volatile while asm typeof main linux unix floor_div floor_mod " +
    "i8 i16 i32 i64 u8 u16 u32 u64 f32 f64"
  ).split(" "),
);
/** Helpers and vector types: `max_f32x16`, `splat_i32x4`, `f32x16u`. */
const RESERVED_FORM = /(^|_)[iuf](8|16|32|64)(x\d+u?)?$/;

/** Text of an expression; `simple` if it binds tighter than any operator. */
interface Code {
  readonly text: string;
  readonly simple: boolean;
}
const simple = (text: string): Code => ({ text, simple: true });
const compound = (text: string): Code => ({ text, simple: false });

/** An operand: parenthesised unless simple. */
const operand = (code: Code): string => (code.simple ? code.text : `(${code.text})`);

const OPERATORS: Record<string, string> = {
  add: "+",
  sub: "-",
  mul: "*",
  div: "/",
  quot: "/",
  rem: "%",
  shl: "<<",
  shr: ">>",
  and: "&",
  or: "|",
  xor: "^",
  lt: "<",
  le: "<=",
  eq: "==",
  ne: "!=",
};
/** bool has other operators; each is right for 0 and 1 as for masks of 0 and -1. */
const BOOL_OPERATORS: Record<string, string> = {
  and: "&",
  or: "|",
  xor: "^",
  add: "|",
  mul: "&",
  max: "|",
  min: "&",
  ne: "^",
};

class PhaseWriter {
  private readonly lines: string[] = [];
  private depth = 1;
  private temporaries = 0;
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
    this.block(`for (i64 ${name} = begin; ${name} < end; ${name}++) {`, body);
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
    throw new Error(`C code for ${this.program.name}: ${message}`);
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
    if (s.kind === "for" || s.kind === "if") this.writePending(() => true);
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

  private store({ buffer, index, value }: StoreStmt, codes: Codes): void {
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
    const narrow = memoryType(value.dtype) === element && buffer.dtype !== "bool";
    this.line(
      `*(${vector}u *)(${name} + ${at.text}) = ${narrow ? code.text : `__builtin_convertvector(${bits}, ${vector})`};`,
    );
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
        return this.splat(x.dtype === "bool" && x.value ? "-1" : text, x.dtype, lanes);
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
        return this.splat(x.dtype === "bool" ? `-${operand(args[0])}` : args[0].text, x.dtype, lanes);
      case "pack":
        return this.pack(x, args, codes);
      case "extract": {
        const lane = `${operand(args[0])}[${x.lane}]`;
        return x.dtype === "bool" ? compound(`-${lane}`) : simple(lane);
      }
      case "cast":
        return this.cast(args[0], x.args[0].dtype, x.dtype, lanes);
      case "bitcast": {
        const from = x.args[0].dtype;
        if (lanes > 1) return compound(`(${this.helpers.type(x.dtype, lanes)})${operand(args[0])}`);
        return simple(`${this.helpers.bits(from, x.dtype)}(${args[0].text})`);
      }
      default:
        return this.operation(x, args);
    }
  }

  private splat(text: string, dtype: DType, lanes: number): Code {
    return simple(`${this.helpers.splat(dtype, lanes)}(${text})`);
  }

  private pack(x: PackExpr, args: readonly Code[], codes: Codes): Code {
    const type = this.helpers.type(x.dtype, x.lanes);
    const offsets = offsetsOf(x.args);
    if (offsets !== undefined && x.args[0].op === "index") {
      const start = `(${scalarType(x.dtype)})${operand(this.index(x.args[0].index, codes))}`;
      return compound(`${this.splat(start, x.dtype, x.lanes).text} + (${type}){${offsets.join(", ")}}`);
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
    const wide = memory === type ? plain : `__builtin_convertvector(${plain}, ${type})`;
    const code = compound(dtype === "bool" ? `-${wide}` : wide);
    if (!guarded) return code;
    const variable = this.freshTemporary();
    this.line(`${type} ${variable} = {0};`);
    this.line(`if (${this.valid(x.valid, codes).text}) ${variable} = ${code.text};`);
    return simple(variable);
  }

  private cast(value: Code, from: DType, to: DType, lanes: number): Code {
    const type = this.helpers.type(to, lanes);
    if (lanes === 1) {
      if (to === "bool") return compound(`${operand(value)} != 0`);
      if (isFloat(from) && !isFloat(to)) {
        return simple(`${this.helpers.toInteger(from, to, lanes)}(${value.text})`);
      }
      return compound(`(${type})${operand(value)}`);
    }
    if (to === "bool") return this.mask(`${operand(value)} != 0`, from, lanes);
    if (isFloat(from) && !isFloat(to)) {
      return simple(`${this.helpers.toInteger(from, to, lanes)}(${value.text})`);
    }
    const number = from === "bool" ? compound(`${operand(value)} & 1`) : value;
    if (from === "bool" && to === "int32") return number;
    return simple(`__builtin_convertvector(${number.text}, ${type})`);
  }

  /** A comparison of lanes as a mask of 32-bit lanes. */
  private mask(comparison: string, dtype: DType, lanes: number): Code {
    const mask = this.helpers.vector("i32", lanes);
    const wide = dtype === "int64" || dtype === "uint64" || dtype === "float64";
    return wide
      ? simple(`__builtin_convertvector(${comparison}, ${mask})`)
      : compound(`(${mask})(${comparison})`);
  }

  private operation(x: ScalarExpr, args: readonly Code[]): Code {
    const { op, lanes } = x;
    const dtype = x.args[x.args.length - 1].dtype;
    const [a, b, c] = args.map(operand);
    if (op === "where") {
      if (lanes === 1) return compound(`${a} ? ${b} : ${c}`);
      const texts = args.map((arg) => arg.text).join(", ");
      return simple(`${this.helpers.select(x.dtype, lanes)}(${texts})`);
    }
    if (dtype === "bool") return this.boolOperation(op, a, b, lanes);
    switch (op) {
      case "neg":
        return compound(`-${a}`);
      case "not":
        return compound(`~${a}`);
      case "fma":
        return compound(`${a} * ${b} + ${c}`);
      case "abs":
        return simple(`${this.helpers.absolute(dtype, lanes)}(${args[0].text})`);
      case "sqrt":
      case "floor":
      case "trunc":
      case "round":
        return simple(`${this.helpers.rounding(op, dtype, lanes)}(${args[0].text})`);
      case "max":
      case "min": {
        const swapped = isNumber(x.args[0]) && !isNumber(x.args[1]);
        const [first, second] = swapped ? [1, 0] : [0, 1];
        const f = this.helpers.extremum(op, dtype, lanes, isNumber(x.args[second]));
        return simple(`${f}(${args[first].text}, ${args[second].text})`);
      }
      case "lt":
      case "le":
      case "eq":
      case "ne": {
        const comparison = `${a} ${OPERATORS[op]} ${b}`;
        return lanes === 1 ? compound(comparison) : this.mask(comparison, dtype, lanes);
      }
      default: {
        const sign = OPERATORS[op];
        if (sign === undefined) this.fail(`there is no ${op} of ${dtype}; lowering must replace it`);
        return compound(`${a} ${sign} ${b}`);
      }
    }
  }

  private boolOperation(op: string, a: string, b: string, lanes: number): Code {
    const not = lanes === 1 ? "!" : "~";
    if (op === "not") return compound(`${not}${a}`);
    if (op === "lt") return compound(`${not}${a} & ${b}`);
    if (op === "le") return compound(`${not}${a} | ${b}`);
    if (op === "eq") return compound(`${not}(${a} ^ ${b})`);
    const sign = BOOL_OPERATORS[op];
    if (sign === undefined) this.fail(`there is no ${op} of bool; lowering must replace it`);
    return compound(`${a} ${sign} ${b}`);
  }

  // Indices -------------------------------------------------------------------------------------------------------

  private index(x: Index, codes: Codes): Code {
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
    const text = parts.join(" ");
    return { text, simple: /^[\w]+$/.test(text) };
  }

  private atom(atom: Atom, codes: Codes): Code {
    if (atom.kind === "loaded") return compound(`(i64)${operand(codes.get(atom.value)!)}`);
    if (atom.kind !== "div" && atom.kind !== "mod") return simple(this.atomName(atom));
    const { numerator, divisor } = atom;
    const a = this.index(numerator, codes);
    const d = divisor.value;
    // Shifts and masks are floor division and remainder for either sign.
    if (d !== undefined && d > 0 && d < 2 ** 31 && Number.isInteger(Math.log2(d))) {
      return compound(atom.kind === "div" ? `${operand(a)} >> ${Math.log2(d)}` : `${operand(a)} & ${d - 1}`);
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

/** A literal, in all lanes, that is not NaN. */
const isNumber = (x: Expr): boolean => x.op === "const" && !Number.isNaN(x.value);

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
