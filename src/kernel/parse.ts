// Reads the text form of kernels and programs that print.ts writes. `//` starts a comment. Everything parsed is built
// with the constructors of ir.ts and index.ts, so text may be written in any form that they simplify.

import type { Phase, Program } from "../lower/program.js";
import { type DType, isBigInteger, isDType, type Scalar } from "../scalar/dtype.js";
import { arityOf, isScalarOp, type ReduceOp, type ScalarOp } from "../scalar/ops.js";
import {
  type Atom,
  addIndex,
  divIndex,
  type Index,
  type LoopAtom,
  letAtom,
  loopAtom,
  modIndex,
  mulIndex,
  negIndex,
  type SymbolAtom,
  subIndex,
  symbolAtom,
  toIndex,
} from "./index.js";
import {
  bitcast,
  type Buffer,
  cast,
  constant,
  type Expr,
  extract,
  shuffle,
  indexValue,
  type Kernel,
  type LoopKind,
  load,
  loadedIndex,
  makeBuffer,
  pack,
  ref,
  type Space,
  type Stmt,
  type StoreStmt,
  type TileAccess,
  type TileStmt,
  scalar,
  splat,
  type Valid,
  validValue,
} from "./ir.js";
import { unitNamed } from "./units.js";
import { LOADED_RANGE } from "./print.js";

export class ParseError extends Error {
  override name = "ParseError";
}

export function parseKernel(text: string): Kernel {
  const parser = new Parser(text);
  const kernel = parser.kernel();
  parser.end();
  return kernel;
}

export function parseProgram(text: string): Program {
  const parser = new Parser(text);
  const program = parser.program();
  parser.end();
  return program;
}

interface Token {
  readonly text: string;
  readonly line: number;
}

const TOKEN = new RegExp(
  [
    "\\s+|//[^\\n]*", // skipped
    "[a-z]\\w*:-?(?:nan|inf|true|false|\\d[\\d.]*(?:e[+-]?\\d+)?)", // a constant
    "[%$][\\w.]+", // a shared expression or a variable
    "[A-Za-z_][\\w.]*", // a name
    "\\d+", // a number
    "[(){}\\[\\],=*+/%:-]",
  ].join("|"),
  "gy",
);

function tokenize(text: string): Token[] {
  const tokens: Token[] = [];
  let line = 1;
  TOKEN.lastIndex = 0;
  while (TOKEN.lastIndex < text.length) {
    const at = TOKEN.lastIndex;
    const match = TOKEN.exec(text);
    if (match === null) throw new ParseError(`line ${line}: ${JSON.stringify(text[at])} means nothing here`);
    const [found] = match;
    if (/^\s/.test(found)) line += found.split("\n").length - 1;
    else if (!found.startsWith("//")) tokens.push({ text: found, line });
  }
  tokens.push({ text: "end of text", line });
  return tokens;
}

const CONSTANT = /^([a-z]\w*?)(?:x(\d+))?:(-?[\w.+-]+)$/;
const TYPE = /^([a-z]\w*?)(?:x(\d+))?$/;
const SPACES: readonly string[] = ["global", "scratch", "local", "register"] satisfies Space[];
const LOOPS: readonly string[] = ["serial", "parallel", "unroll", "vectorize"] satisfies LoopKind[];
const REDUCTIONS: readonly string[] = ["add", "mul", "max", "min"] satisfies ReduceOp[];

class Parser {
  private readonly tokens: readonly Token[];
  private at = 0;
  /** Names in scope; a copy for each block. */
  private atoms = new Map<string, Atom>();
  private buffers = new Map<string, Buffer>();
  private variables = new Map<string, Expr>();
  private readonly shared = new Map<string, Expr>();

  constructor(text: string) {
    this.tokens = tokenize(text);
  }

  // Tokens --------------------------------------------------------------------------------------------------------

  private get next(): string {
    return this.tokens[this.at].text;
  }

  private fail(message: string): never {
    throw new ParseError(`line ${this.tokens[this.at].line}: ${message}`);
  }

  private take(): string {
    return this.tokens[this.at++].text;
  }

  private accept(text: string): boolean {
    if (this.next !== text) return false;
    this.at++;
    return true;
  }

  private expect(text: string): void {
    if (!this.accept(text)) this.fail(`expected ${text}, found ${this.next}`);
  }

  private word(what: string): string {
    if (!/^[A-Za-z_]/.test(this.next)) this.fail(`expected ${what}, found ${this.next}`);
    return this.take();
  }

  private number(): number {
    const negative = this.accept("-");
    if (!/^\d+$/.test(this.next) && this.next !== "inf") this.fail(`expected a number, found ${this.next}`);
    const text = this.take();
    const value = text === "inf" ? Number.POSITIVE_INFINITY : Number(text);
    return negative ? -value : value;
  }

  private list<T>(close: string, item: () => T): T[] {
    const items: T[] = [];
    if (this.accept(close)) return items;
    do items.push(item());
    while (this.accept(","));
    this.expect(close);
    return items;
  }

  end(): void {
    this.expect("end of text");
  }

  // Kernels and programs ------------------------------------------------------------------------------------------

  kernel(): Kernel {
    this.expect("kernel");
    const name = this.word("a kernel's name");
    const { params, symbols } = this.parameters();
    return { name, params, symbols, body: this.block() };
  }

  program(): Program {
    this.expect("program");
    const name = this.word("a program's name");
    const { params, scratch, symbols } = this.parameters();
    this.expect("local");
    const localBytes = this.number();
    this.expect("flops");
    const flops = this.index();
    this.expect("bytes");
    const bytes = this.index();
    this.expect("{");
    const phases: Phase[] = [];
    while (!this.accept("}")) phases.push(this.scoped(() => this.phase()));
    return { name, params, scratch, symbols, phases, localBytes, flops, bytes };
  }

  private phase(): Phase {
    this.expect("phase");
    const atom = this.range();
    this.expect("grain");
    const grain = this.number();
    if (!this.accept("reads")) return { atom, grain, body: this.block() };
    const places = (): number[] => {
      this.expect("(");
      return this.list(")", () => this.number());
    };
    const reads = places();
    this.expect("writes");
    return { atom, grain, touches: { reads, writes: places() }, body: this.block() };
  }

  /** `(buffers) scratch (buffers) with symbols`, of which the symbols are read first: sizes use them. */
  private parameters(): { params: Buffer[]; scratch: Buffer[]; symbols: SymbolAtom[] } {
    const start = this.at;
    while (this.next !== "{" && this.next !== "with" && this.next !== "end of text") this.at++;
    const symbols: SymbolAtom[] = [];
    if (this.accept("with")) {
      do {
        const name = this.word("a variable's name");
        const { min, max } = this.bounds();
        const symbol = symbolAtom(name, min, max);
        this.atoms.set(name, symbol);
        symbols.push(symbol);
      } while (this.accept(","));
    }
    const end = this.at;
    this.at = start;
    this.expect("(");
    const params = this.list(")", () => this.buffer());
    let scratch: Buffer[] = [];
    if (this.accept("scratch")) {
      this.expect("(");
      scratch = this.list(")", () => this.buffer());
    }
    if (symbols.length > 0) {
      this.expect("with");
      this.at = end;
    }
    return { params, scratch, symbols };
  }

  private bounds(): { min: number; max: number } {
    this.expect("in");
    this.expect("[");
    const min = this.number();
    this.expect(",");
    const max = this.number();
    this.expect("]");
    return { min, max };
  }

  private buffer(): Buffer {
    const named = SPACES.includes(this.next) && this.tokens[this.at + 1].text !== ":";
    const space = named ? (this.take() as Space) : "global";
    const name = this.word("a buffer's name");
    this.expect(":");
    const { dtype, lanes } = this.type();
    this.expect("[");
    const size = this.index();
    this.expect("]");
    const buffer = makeBuffer(name, dtype, size, space, lanes);
    this.buffers.set(name, buffer);
    return buffer;
  }

  private type(): { dtype: DType; lanes: number } {
    const match = TYPE.exec(this.next);
    if (match === null || !isDType(match[1])) this.fail(`expected a dtype, found ${this.next}`);
    this.at++;
    return { dtype: match[1], lanes: Number(match[2] ?? 1) };
  }

  private range(): LoopAtom {
    const name = this.word("a loop variable");
    this.expect("in");
    const atom = loopAtom(name, this.index());
    this.atoms.set(name, atom);
    return atom;
  }

  // Statements ----------------------------------------------------------------------------------------------------

  /** Names given inside `parse` end with it. */
  private scoped<T>(parse: () => T): T {
    const { atoms, buffers, variables } = this;
    this.atoms = new Map(atoms);
    this.buffers = new Map(buffers);
    this.variables = new Map(variables);
    const result = parse();
    Object.assign(this, { atoms, buffers, variables });
    return result;
  }

  private block(): Stmt[] {
    return this.scoped(() => {
      const body: Stmt[] = [];
      this.expect("{");
      while (!this.accept("}")) {
        if (this.next.startsWith("%")) this.shareExpr();
        else body.push(this.statement());
      }
      return body;
    });
  }

  private shareExpr(): void {
    const name = this.take();
    this.expect("=");
    this.shared.set(name, this.expr());
  }

  private statement(): Stmt {
    const keyword = this.take();
    switch (keyword) {
      case "for":
        return this.scoped(() => {
          const atom = this.range();
          const loop = LOOPS.includes(this.next) ? (this.take() as LoopKind) : "serial";
          return { kind: "for", atom, loop, body: this.block() };
        });
      case "if": {
        const valid = this.valid();
        return { kind: "if", valid, body: this.block() };
      }
      case "alloc": {
        const buffer = this.buffer();
        return this.accept("at")
          ? { kind: "alloc", buffer, offset: this.number() }
          : { kind: "alloc", buffer };
      }
      case "store":
      case "stream": {
        const distinct = this.accept("distinct");
        const { buffer, index } = this.access();
        this.expect("=");
        const value = this.expr();
        const marks = { ...(keyword === "stream" && { stream: true }), ...(distinct && { distinct: true }) };
        return { kind: "store", buffer, index, value, ...marks } as StoreStmt;
      }
      case "prefetch":
        return { kind: "prefetch", ...this.access() };
      case "tile":
        return this.tile();
      case "accumulate": {
        if (!REDUCTIONS.includes(this.next))
          this.fail(`expected one of ${REDUCTIONS.join(" ")}, found ${this.next}`);
        const op = this.take() as ReduceOp;
        const { buffer, index } = this.access();
        this.expect("=");
        return { kind: "accumulate", op, buffer, index, value: this.expr() };
      }
      case "let": {
        const name = this.take();
        if (!name.startsWith("$")) this.fail(`expected a variable such as $x, found ${name}`);
        this.expect("=");
        const value = this.expr();
        this.variables.set(name, ref(name.slice(1), value.dtype, value.lanes));
        return { kind: "let", name: name.slice(1), value };
      }
      case "letIndex": {
        const name = this.word("an index variable");
        const { min, max } = this.bounds();
        this.expect("=");
        const index = this.index();
        const atom = letAtom(name, min, max);
        this.atoms.set(name, atom);
        return { kind: "letIndex", atom, index };
      }
      default:
        this.at--;
        return this.fail(`expected a statement, found ${keyword}`);
    }
  }

  private tile(): TileStmt {
    const name = this.word("a matrix unit");
    const unit = unitNamed(name) ?? this.fail(`there is no matrix unit ${name}`);
    const size = (what: string): number => {
      this.expect(what);
      return this.number();
    };
    const [rows, columns, depth] = [size("rows"), size("columns"), size("depth")];
    const sums = this.matrix();
    this.expect("=");
    const left = this.matrix();
    this.expect("*");
    return { kind: "tile", unit, rows, columns, depth, sums, left, right: this.matrix() };
  }

  private matrix(): TileAccess {
    const access = this.access();
    this.expect("by");
    this.expect("(");
    const [row, group, block] = this.list(")", () => this.number());
    return { ...access, row, group, block };
  }

  private access(): { buffer: Buffer; index: Index } {
    const name = this.word("a buffer's name");
    const buffer = this.buffers.get(name);
    if (buffer === undefined) this.fail(`there is no buffer ${name} here`);
    this.expect("[");
    const index = this.index();
    this.expect("]");
    return { buffer, index };
  }

  // Expressions ---------------------------------------------------------------------------------------------------

  private expr(): Expr {
    const text = this.next;
    const literal = CONSTANT.exec(text);
    if (literal !== null) return this.constant(literal);
    if (text.startsWith("%") || text.startsWith("$")) {
      const known = (text.startsWith("%") ? this.shared : this.variables).get(text);
      if (known === undefined) this.fail(`${text} is not defined here`);
      this.at++;
      return known;
    }
    if (this.tokens[this.at + 1].text === "[") return this.load();
    this.at++;
    if (isDType(text)) {
      this.expect("(");
      const index = this.index();
      this.expect(")");
      return indexValue(index, text);
    }
    if (text === "valid") return validValue(this.valid());
    this.expect("(");
    return this.operation(
      text,
      this.list(")", () => this.expr()),
    );
  }

  private operation(name: string, args: readonly Expr[]): Expr {
    const [op, detail] = name.split(".");
    if (op === "pack") return pack(args);
    const arity = isScalarOp(op) ? arityOf(op as ScalarOp) : op === "shuffle" ? 2 : 1;
    if (args.length !== arity) this.fail(`${name} takes ${arity} operands, got ${args.length}`);
    if (isScalarOp(op)) return scalar(op, ...args);
    if ((op === "cast" || op === "bitcast") && isDType(detail)) {
      return op === "cast" ? cast(args[0], detail) : bitcast(args[0], detail);
    }
    if (op === "splat") return splat(args[0], Number(detail));
    if (op === "extract") return extract(args[0], Number(detail));
    if (op === "shuffle") return shuffle(args[0], args[1], detail.split("_").map(Number));
    return this.fail(`there is no operation ${name}`);
  }

  private constant([, dtype, lanes, text]: RegExpExecArray): Expr {
    if (!isDType(dtype)) this.fail(`there is no dtype ${dtype}`);
    this.at++;
    return constant(scalarOf(text, dtype), dtype, Number(lanes ?? 1));
  }

  private load(): Expr {
    const { buffer, index } = this.access();
    const { dtype, lanes } = this.accept("as") ? this.type() : { dtype: buffer.dtype, lanes: 1 };
    const valid = this.accept("when") ? this.valid() : [];
    return load(buffer, index, valid, { dtype, lanes });
  }

  private valid(): Valid {
    this.expect("(");
    return this.list(")", () => this.index());
  }

  // Indices -------------------------------------------------------------------------------------------------------

  private index(): Index {
    let sum = this.accept("-") ? negIndex(this.product()) : this.product();
    for (;;) {
      if (this.accept("+")) sum = addIndex(sum, this.product());
      else if (this.accept("-")) sum = subIndex(sum, this.product());
      else return sum;
    }
  }

  private product(): Index {
    let x = this.factor();
    for (;;) {
      if (this.accept("*")) x = mulIndex(x, this.factor());
      else if (this.accept("/")) x = divIndex(x, this.factor());
      else if (this.accept("%")) x = modIndex(x, this.factor());
      else if (this.isRemainder()) x = modIndex(x, Number(this.take().slice(1)));
      else return x;
    }
  }

  /** `i %8` is a remainder, unless `%8` starts a line: then it names a shared expression. */
  private isRemainder(): boolean {
    const [before, here] = [this.tokens[this.at - 1], this.tokens[this.at]];
    return /^%\d+$/.test(here.text) && before.line === here.line;
  }

  private factor(): Index {
    if (/^\d/.test(this.next)) return toIndex(this.number());
    if (this.accept("(")) {
      const x = this.index();
      this.expect(")");
      return x;
    }
    if (this.accept("{")) {
      const value = this.expr();
      const { min, max } = this.next === "in" ? this.bounds() : LOADED_RANGE;
      this.expect("}");
      return loadedIndex(value, min, max);
    }
    const name = this.word("an index");
    const atom = this.atoms.get(name);
    if (atom === undefined) this.fail(`there is no index variable ${name} here`);
    return toIndex(atom);
  }
}

/** Reads what `printScalar` writes. */
function scalarOf(text: string, dtype: DType): Scalar {
  if (dtype === "bool") return text === "true";
  if (isBigInteger(dtype)) return BigInt(text);
  const sign = text.startsWith("-") ? -1 : 1;
  const size = text.replace("-", "");
  if (size === "inf") return sign * Number.POSITIVE_INFINITY;
  return size === "nan" ? Number.NaN : Number(text);
}
