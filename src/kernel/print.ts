// The text form of kernels and programs, which parse.ts reads back.
//
//   kernel scale(out: float32[n*4], a: float16[n*4]) with n in [1, 64] {
//     for i in n*4 parallel {
//       %1 = cast.float32(a[i])
//       store out[i] = mul(%1, add(%1, float32:-0))
//     }
//   }
//
// Constants are `dtype:value`, indices as values `dtype(index)`, predicates lists of indices that must be >= 0, as in
// `a[i - 1] when (i - 1, n - i)`. `{x in [0, 9]}` inside an index is a loaded integer and its range. `a[i] as int32x4`
// loads four elements, widened. `$x` is a variable bound by `let`. Expressions used more than once in a statement, and
// those nested too deep to read, get a `%` line of their own before it.

import type { Program } from "../lower/program.js";
import type { Scalar } from "../scalar/dtype.js";
import type { Atom, Index, LoopAtom, SymbolAtom } from "./index.js";
import {
  type Buffer,
  type Expr,
  exprsOf,
  indicesOf,
  type Kernel,
  type Stmt,
  statementIndices,
  type TileAccess,
  type Valid,
} from "./ir.js";

/** The range of a loaded index that goes without saying. */
export const LOADED_RANGE = { min: -(2 ** 31), max: 2 ** 31 - 1 } as const;

const MAX_NESTING = 8;

export function printKernel(kernel: Kernel): string {
  const printer = new Printer();
  const head = `kernel ${identifier(kernel.name)}(${printer.parameters(kernel)})${printer.symbols(kernel.symbols)}`;
  return block(head, printer.body(kernel.body)).join("\n");
}

export function printProgram(program: Program): string {
  const printer = new Printer();
  let head = `program ${identifier(program.name)}(${printer.parameters(program)})`;
  if (program.scratch.length > 0)
    head += ` scratch (${program.scratch.map((b) => printer.declare(b)).join(", ")})`;
  head += printer.symbols(program.symbols);
  head += ` local ${program.localBytes} flops ${printer.index(program.flops)} bytes ${printer.index(program.bytes)}`;
  const phases = program.phases.flatMap(({ atom, grain, touches, body }) => {
    const touched = touches && ` reads (${touches.reads.join(", ")}) writes (${touches.writes.join(", ")})`;
    const head = (): string => `phase ${printer.range(atom)} grain ${grain}${touched ?? ""}`;
    return printer.scoped(() => block(head(), printer.body(body)));
  });
  return block(head, phases).join("\n");
}

/** One statement, with those nested in it, apart from any kernel. */
export const printStatement = (s: Stmt): string => new Printer().statement(s).join("\n");
export const printStatements = (body: readonly Stmt[]): string => new Printer().body(body).join("\n");

/** One expression; shared parts on lines of their own before it. */
export const printExpr = (x: Expr): string => {
  const lines: string[] = [];
  const texts = new Printer().expressions([x], lines);
  return [...lines, texts.get(x)!].join("\n");
};

const block = (head: string, body: readonly string[]): string[] => [
  `${head} {`,
  ...body.map((line) => `  ${line}`),
  "}",
];

const identifier = (name: string): string => {
  const clean = name.replace(/[^\w.]/g, "_");
  return /^[A-Za-z_]/.test(clean) ? clean : `_${clean}`;
};

const printNumber = (x: number): string =>
  Number.isNaN(x) ? "nan" : Math.abs(x) === Number.POSITIVE_INFINITY ? (x < 0 ? "-inf" : "inf") : String(x);

export function printScalar(value: Scalar): string {
  if (Object.is(value, -0)) return "-0";
  return typeof value === "number" ? printNumber(value) : String(value);
}

const printType = (dtype: string, lanes: number): string => (lanes === 1 ? dtype : `${dtype}x${lanes}`);

/** Loaded atoms an index names itself, those inside quotients included; in the order in which terms are printed. */
function loadedAtoms(index: Index, visit: (value: Expr) => void): void {
  const terms = [...index.terms].sort((a, b) => Math.abs(b.coefficient) - Math.abs(a.coefficient));
  for (const { atoms } of terms) {
    for (const atom of atoms) {
      if (atom.kind === "loaded") visit(atom.value);
      if (atom.kind !== "div" && atom.kind !== "mod") continue;
      loadedAtoms(atom.numerator, visit);
      loadedAtoms(atom.divisor, visit);
    }
  }
}

/** Expressions that the text of x names: operands, then values of loaded indices. */
function childrenOf(x: Expr): Expr[] {
  const children = [...x.args];
  for (const index of indicesOf(x)) loadedAtoms(index, (value) => children.push(value));
  return children;
}

/** Children before users, each once, left to right. */
function printOrder(roots: readonly Expr[]): Expr[] {
  const order: Expr[] = [];
  const done = new Set<Expr>();
  const stack = [...roots].reverse().map((x) => ({ x, children: childrenOf(x), next: 0 }));
  while (stack.length > 0) {
    const top = stack[stack.length - 1];
    const child = top.children[top.next++];
    if (child === undefined || done.has(top.x)) {
      stack.pop();
      if (!done.has(top.x)) order.push(top.x);
      done.add(top.x);
    } else if (!done.has(child)) stack.push({ x: child, children: childrenOf(child), next: 0 });
  }
  return order;
}

const NO_TEXTS: ReadonlyMap<Expr, string> = new Map();
type Texts = ReadonlyMap<Expr, string>;

class Printer {
  private readonly names = new Map<Atom | Buffer, string>();
  private taken = new Set<string>();
  private nextShared = 1;

  /** Names given inside `print` are free again after it. */
  scoped<T>(print: () => T): T {
    const before = this.taken;
    this.taken = new Set(before);
    const result = print();
    this.taken = before;
    return result;
  }

  private name(thing: Atom | Buffer, wanted: string): string {
    const base = identifier(wanted);
    let name = base;
    for (let n = 2; this.taken.has(name); n++) name = `${base}_${n}`;
    this.taken.add(name);
    this.names.set(thing, name);
    return name;
  }

  /** Things never declared, as in a statement printed alone, get a name when they are first met. */
  private nameOf(thing: (Atom & { readonly name: string }) | Buffer): string {
    return this.names.get(thing) ?? this.name(thing, thing.name);
  }

  // Declarations --------------------------------------------------------------------------------------------------

  /** Symbols are named first: their names are how callers bind them. */
  parameters({ params, symbols }: Pick<Kernel, "params" | "symbols">): string {
    for (const symbol of symbols) this.name(symbol, symbol.name);
    return params.map((buffer) => this.declare(buffer)).join(", ");
  }

  declare(buffer: Buffer): string {
    const size = this.index(buffer.size);
    const space = buffer.space === "global" ? "" : `${buffer.space} `;
    return `${space}${this.name(buffer, buffer.name)}: ${printType(buffer.dtype, buffer.lanes)}[${size}]`;
  }

  symbols(symbols: readonly SymbolAtom[]): string {
    if (symbols.length === 0) return "";
    return ` with ${symbols.map((atom) => `${this.nameOf(atom)} in ${bounds(atom)}`).join(", ")}`;
  }

  range(atom: LoopAtom, texts: Texts = NO_TEXTS): string {
    const extent = this.index(atom.extent, texts);
    return `${this.name(atom, atom.name)} in ${extent}`;
  }

  // Statements ----------------------------------------------------------------------------------------------------

  body(body: readonly Stmt[]): string[] {
    return this.scoped(() => body.flatMap((s) => this.statement(s)));
  }

  statement(s: Stmt): string[] {
    const lines: string[] = [];
    const roots: Expr[] = [...exprsOf(s)];
    for (const index of statementIndices(s)) loadedAtoms(index, (value) => roots.push(value));
    const texts = this.expressions(roots, lines);
    switch (s.kind) {
      case "for":
        return this.scoped(() => {
          const kind = s.loop === "serial" ? "" : ` ${s.loop}`;
          const head = `for ${this.range(s.atom, texts)}${kind}`;
          return [...lines, ...block(head, this.body(s.body))];
        });
      case "if":
        return [...lines, ...block(`if ${this.valid(s.valid, texts)}`, this.body(s.body))];
      case "alloc":
        return [
          ...lines,
          `alloc ${this.declare(s.buffer)}${s.offset === undefined ? "" : ` at ${s.offset}`}`,
        ];
      case "store":
        return [
          ...lines,
          `${s.stream ? "stream" : "store"} ${s.distinct ? "distinct " : ""}${this.access(s.buffer, s.index, texts)} = ${texts.get(s.value)}`,
        ];
      case "prefetch":
        return [...lines, `prefetch ${this.access(s.buffer, s.index, texts)}`];
      case "tile": {
        const matrix = ({ buffer, index, row, group, block }: TileAccess): string =>
          `${this.access(buffer, index, texts)} by (${row}, ${group}, ${block})`;
        const size = `rows ${s.rows} columns ${s.columns} depth ${s.depth}`;
        const operands = `${matrix(s.left)} * ${matrix(s.right)}`;
        return [...lines, `tile ${s.unit.name} ${size} ${matrix(s.sums)} = ${operands}`];
      }
      case "accumulate":
        return [
          ...lines,
          `accumulate ${s.op} ${this.access(s.buffer, s.index, texts)} = ${texts.get(s.value)}`,
        ];
      case "let":
        return [...lines, `let $${s.name} = ${texts.get(s.value)}`];
      case "letIndex": {
        const index = this.index(s.index, texts);
        return [...lines, `letIndex ${this.name(s.atom, s.atom.name)} in ${bounds(s.atom)} = ${index}`];
      }
    }
  }

  private access(buffer: Buffer, index: Index, texts: Texts): string {
    return `${this.nameOf(buffer)}[${this.index(index, texts)}]`;
  }

  // Expressions ---------------------------------------------------------------------------------------------------

  /** The text of each expression; `lines` gets those that need one of their own. */
  expressions(roots: readonly Expr[], lines: string[]): Texts {
    const order = printOrder(roots);
    const uses = new Map<Expr, number>();
    const use = (x: Expr): unknown => uses.set(x, (uses.get(x) ?? 0) + 1);
    roots.forEach(use);
    for (const x of order) childrenOf(x).forEach(use);

    const texts = new Map<Expr, string>();
    const nesting = new Map<Expr, number>();
    for (const x of order) {
      const text = this.expression(x, texts);
      const depth = 1 + Math.max(0, ...childrenOf(x).map((child) => nesting.get(child)!));
      const brief = x.op === "const" || x.op === "ref" || x.op === "index";
      if (!brief && (uses.get(x)! > 1 || depth > MAX_NESTING)) {
        const name = `%${this.nextShared++}`;
        lines.push(`${name} = ${text}`);
        texts.set(x, name);
        nesting.set(x, 0);
      } else {
        texts.set(x, text);
        nesting.set(x, depth);
      }
    }
    return texts;
  }

  private expression(x: Expr, texts: Texts): string {
    const args = `(${x.args.map((arg) => texts.get(arg)).join(", ")})`;
    switch (x.op) {
      case "const":
        return `${printType(x.dtype, x.lanes)}:${printScalar(x.value)}`;
      case "index":
        return `${x.dtype}(${this.index(x.index, texts)})`;
      case "valid":
        return `valid${this.valid(x.valid, texts)}`;
      case "load": {
        const usual = x.dtype === x.buffer.dtype && x.lanes === 1;
        const type = usual ? "" : ` as ${printType(x.dtype, x.lanes)}`;
        const when = x.valid.length === 0 ? "" : ` when ${this.valid(x.valid, texts)}`;
        return this.access(x.buffer, x.index, texts) + type + when;
      }
      case "ref":
        return `$${x.name}`;
      case "cast":
      case "bitcast":
        return `${x.op}.${x.dtype}${args}`;
      case "splat":
        return `splat.${x.lanes}${args}`;
      case "extract":
        return `extract.${x.lane}${args}`;
      case "shuffle":
        return `shuffle.${x.picks.join("_")}${args}`;
      default:
        return x.op + args;
    }
  }

  // Indices -------------------------------------------------------------------------------------------------------

  private valid(valid: Valid, texts: Texts): string {
    return `(${valid.map((index) => this.index(index, texts)).join(", ")})`;
  }

  /** Terms by falling coefficient, as strides of a row-major array are written. */
  index(index: Index, texts: Texts = NO_TEXTS): string {
    const terms = index.terms.map(({ coefficient, atoms }) => {
      const size = Math.abs(coefficient);
      const factors = atoms.map((atom) => this.atom(atom, texts, size > 1 || atoms.length > 1)).sort();
      if (size > 1) factors.push(String(size));
      return { coefficient, text: factors.join("*") };
    });
    terms.sort((a, b) => Math.abs(b.coefficient) - Math.abs(a.coefficient) || (a.text < b.text ? -1 : 1));
    if (index.constant !== 0 || terms.length === 0) {
      terms.push({ coefficient: index.constant, text: String(Math.abs(index.constant)) });
    }
    return terms
      .map(({ coefficient, text }, i) => (i === 0 ? "" : " ") + sign(coefficient < 0, i === 0) + text)
      .join("");
  }

  private atom(atom: Atom, texts: Texts, asFactor: boolean): string {
    switch (atom.kind) {
      case "loop":
      case "symbol":
      case "let":
        return this.nameOf(atom);
      case "loaded": {
        const usual = atom.min === LOADED_RANGE.min && atom.max === LOADED_RANGE.max;
        return `{${texts.get(atom.value)}${usual ? "" : ` in ${bounds(atom)}`}}`;
      }
      case "div":
      case "mod": {
        const divisor =
          atom.divisor.value === undefined ? `(${this.index(atom.divisor, texts)})` : atom.divisor.value;
        const text = `(${this.index(atom.numerator, texts)}) ${atom.kind === "div" ? "/" : "%"} ${divisor}`;
        return asFactor ? `(${text})` : text;
      }
    }
  }
}

const sign = (negative: boolean, first: boolean): string =>
  first ? (negative ? "-" : "") : negative ? "- " : "+ ";
const bounds = ({ min, max }: { readonly min: number; readonly max: number }): string =>
  `[${printNumber(min)}, ${printNumber(max)}]`;
