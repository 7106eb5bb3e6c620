// The verifier: what must hold of every kernel and every program, checked between passes in tests. It knows nothing
// of how they are made. Errors name the kernel and the statement.
//
// Before and after lowering: dtypes and lanes agree, operations are defined on their operands, buffers, variables and
// names are used where they are visible, no index lies certainly outside its buffer, iterations of a parallel loop do
// not all write one element. The further promises of a program are those of lower/program.ts.

import type { Program } from "../lower/program.js";
import { bytesOf, type DType, isBigInteger, isFloat, isInteger } from "../scalar/dtype.js";
import { isDefinedOn } from "../scalar/evaluate.js";
import { arityOf, isComparison, resultDType, type ScalarOp } from "../scalar/ops.js";
import { type Atom, type Index, type SymbolAtom, visitAtoms } from "./index.js";
import {
  type AllocStmt,
  type Buffer,
  type Expr,
  exprsOf,
  indicesOf,
  type Kernel,
  type LoadExpr,
  type ScalarExpr,
  type Stmt,
  type PrefetchStmt,
  type StoreStmt,
  type TileStmt,
  statementIndices,
  topologicalOrder,
} from "./ir.js";
import { tileMisfit } from "./units.js";
import { printStatement } from "./print.js";

export class VerifyError extends Error {
  override name = "VerifyError";
}

/** Throws a VerifyError if a kernel, at any stage before lowering, is not well formed. */
export function verifyKernel(kernel: Kernel): void {
  const verifier = new Verifier(kernel.name, false, 0);
  verifier.parameters(kernel.params, [], kernel.symbols);
  verifier.body(kernel.body, true);
}

/** Throws a VerifyError if a program does not keep the promises of lower/program.ts. */
export function verifyProgram(program: Program): void {
  const verifier = new Verifier(program.name, true, program.localBytes);
  verifier.parameters(program.params, program.scratch, program.symbols);
  verifier.indices([program.flops, program.bytes]);
  for (const { atom, grain, body } of program.phases) {
    if (!(grain >= 1)) verifier.fail(`phase ${atom.name} has grain ${grain}; it must be at least 1`);
    verifier.statement({ kind: "for", atom, loop: "parallel", body }, false);
  }
}

const MACHINE_DTYPES = new Set<DType>(["bool", "int32", "uint32", "int64", "uint64", "float32", "float64"]);
/** Narrow floats that some machines convert, to and from float32 alone, and what gives values of them. */
const CONVERTED_DTYPES = new Set<DType>(["float16"]);
const CONVERTED_BY = new Set<Expr["op"]>(["load", "cast", "ref"]);
const MACHINE_OPS = {
  float: new Set<ScalarOp>([
    "add",
    "sub",
    "mul",
    "div",
    "neg",
    "abs",
    "sqrt",
    "floor",
    "trunc",
    "round",
    "max",
    "min",
    "fma",
  ]),
  integer: new Set<ScalarOp>([
    ...(["add", "sub", "mul", "neg", "abs", "max", "min", "and", "or", "xor", "not"] as const),
    ...(["shl", "shr", "quot", "rem"] as const),
  ]),
  bool: new Set<ScalarOp>(["and", "or", "xor", "not"]),
};
const ONLY_LOWERED = new Set<Expr["op"]>([
  "ref",
  "splat",
  "pack",
  "extract",
  "shuffle",
  "quot",
  "rem",
  "fma",
]);

const isPowerOfTwo = (n: number): boolean => Number.isInteger(Math.log2(n));

interface ParallelLoop {
  readonly name: string;
  readonly outside: ReadonlySet<Buffer>;
  readonly varying: Set<Atom>;
}

class Verifier {
  private readonly buffers = new Set<Buffer>();
  private readonly atoms = new Set<Atom>();
  private readonly variables = new Map<string, Expr>();
  /** Places of local buffers now visible. */
  private readonly places: { readonly buffer: Buffer; readonly start: number; readonly end: number }[] = [];
  /** Parallel loops around the current statement: what was declared outside, and the atoms that vary with each. */
  private readonly parallel: ParallelLoop[] = [];
  private loops = 0;
  /** Inside an `if`, or a loop that may not run, an access may never happen. */
  private conditional = 0;
  private current: Stmt | undefined;

  constructor(
    private readonly kernelName: string,
    private readonly lowered: boolean,
    private readonly localBytes: number,
  ) {}

  fail(message: string): never {
    if (this.current === undefined) throw new VerifyError(`${this.kernelName}: ${message}`);
    const s = this.current;
    const text = printStatement("body" in s ? { ...s, body: [] } : s);
    throw new VerifyError(
      `${this.kernelName}: in \`${text.length > 400 ? text.slice(-400) : text}\`: ${message}`,
    );
  }

  parameters(params: readonly Buffer[], scratch: readonly Buffer[], symbols: readonly SymbolAtom[]): void {
    for (const symbol of symbols) this.atoms.add(symbol);
    for (const buffer of params) this.declare(buffer, ["global"]);
    for (const buffer of scratch) this.declare(buffer, ["scratch"]);
  }

  private declare(buffer: Buffer, spaces: readonly Buffer["space"][]): void {
    if (this.buffers.has(buffer)) this.fail(`buffer ${buffer.name} is declared twice`);
    if (!spaces.includes(buffer.space)) {
      this.fail(`buffer ${buffer.name} is ${buffer.space}; here it must be ${spaces.join(" or ")}`);
    }
    if (buffer.size.max < 0) this.fail(`buffer ${buffer.name} has a negative size`);
    if (buffer.lanes !== 1 && buffer.space !== "register") {
      this.fail(`buffer ${buffer.name} has ${buffer.lanes} lanes; only register buffers have more than one`);
    }
    const narrow = isFloat(buffer.dtype) && bytesOf(buffer.dtype) < 4 && !CONVERTED_DTYPES.has(buffer.dtype);
    if (this.lowered && (narrow || (buffer.space === "register" && !MACHINE_DTYPES.has(buffer.dtype)))) {
      this.fail(
        `${buffer.space} buffer ${buffer.name} is ${buffer.dtype}, which lowering should have replaced`,
      );
    }
    this.indices([buffer.size]);
    this.buffers.add(buffer);
  }

  // Statements ----------------------------------------------------------------------------------------------------

  body(body: readonly Stmt[], topLevel = false): void {
    const undo: (() => void)[] = [];
    for (const s of body) {
      this.statement(s, topLevel);
      if (s.kind === "alloc") undo.push(() => this.buffers.delete(s.buffer));
      if (s.kind === "letIndex") undo.push(() => this.atoms.delete(s.atom));
      if (s.kind === "let") undo.push(() => this.variables.delete(s.name));
    }
    this.places.splice(
      this.places.length - body.filter((s) => s.kind === "alloc" && s.offset !== undefined).length,
    );
    for (const step of undo) step();
  }

  statement(s: Stmt, topLevel: boolean): void {
    this.current = s;
    const before = statementIndices(s);
    const roots = [...exprsOf(s)];
    for (const index of before) visitAtoms(index, (atom) => atom.kind === "loaded" && roots.push(atom.value));
    for (const x of topologicalOrder(roots)) this.expression(x);
    this.indices(before);
    switch (s.kind) {
      case "for":
        this.loop(s);
        break;
      case "if": {
        const varying = this.parallel.map((loop) => this.varies(s.valid, loop.varying));
        // Under a condition that varies with a parallel loop, one iteration may be meant: no write is suspect.
        const hidden = this.parallel.splice(0, this.parallel.length);
        this.parallel.push(...hidden.filter((_, i) => !varying[i]));
        this.conditional++;
        this.body(s.body);
        this.conditional--;
        this.parallel.splice(0, this.parallel.length, ...hidden);
        break;
      }
      case "alloc":
        this.alloc(s, topLevel);
        break;
      case "prefetch":
        this.prefetch(s);
        break;
      case "store":
        this.store(s);
        break;
      case "tile":
        this.tile(s);
        break;
      case "accumulate":
        if (this.lowered) this.fail("accumulate does not appear after lowering");
        if (s.value.dtype !== s.buffer.dtype) {
          this.fail(
            `a value of ${s.value.dtype} is accumulated in ${s.buffer.name}, which is ${s.buffer.dtype}`,
          );
        }
        if (!isDefinedOn(s.op, s.buffer.dtype)) this.fail(`${s.op} is not defined on ${s.buffer.dtype}`);
        this.access(s.buffer, s.index, s.value.lanes, false);
        this.race(s.buffer, s.index);
        break;
      case "let":
        this.onlyLowered("let");
        if (this.variables.has(s.name)) this.fail(`${s.name} is already bound`);
        this.variables.set(s.name, s.value);
        break;
      case "letIndex":
        this.onlyLowered("letIndex");
        if (this.atoms.has(s.atom)) this.fail(`index variable ${s.atom.name} is already bound`);
        if (s.index.max < s.atom.min || s.index.min > s.atom.max) {
          this.fail(`the index is in ${range(s.index)}, outside ${s.atom.name}'s range ${range(s.atom)}`);
        }
        for (const loop of this.parallel) if (this.varies([s.index], loop.varying)) loop.varying.add(s.atom);
        this.atoms.add(s.atom);
        break;
    }
    this.current = undefined;
  }

  private onlyLowered(what: string): void {
    if (!this.lowered) this.fail(`${what} appears only after lowering`);
  }

  private loop({ atom, loop, body }: Extract<Stmt, { kind: "for" }>): void {
    if (this.atoms.has(atom)) this.fail(`${atom.name} is already the variable of a loop around this one`);
    if (atom.extent.max < 0) this.fail(`the extent ${atom.extent} is negative`);
    if (this.lowered && this.loops > 0 && loop !== "serial") {
      this.fail(`a ${loop} loop; after lowering loops are serial`);
    }
    for (const outer of this.parallel) if (this.varies([atom.extent], outer.varying)) outer.varying.add(atom);
    const divides = loop === "parallel" && atom.extent.max > 1;
    if (divides) {
      this.parallel.push({ name: atom.name, outside: new Set(this.buffers), varying: new Set([atom]) });
    }
    this.loops++;
    const mayNotRun = atom.extent.min <= 0 ? 1 : 0;
    this.conditional += mayNotRun;
    this.atoms.add(atom);
    this.body(body);
    this.atoms.delete(atom);
    this.conditional -= mayNotRun;
    this.loops--;
    if (divides) this.parallel.pop();
  }

  private alloc({ buffer, offset }: AllocStmt, topLevel: boolean): void {
    this.declare(buffer, this.lowered ? ["local", "register"] : ["local", "scratch"]);
    if (buffer.space === "scratch" && !topLevel) {
      this.fail(
        `scratch buffer ${buffer.name} is allocated inside a loop; it must be at the top of the kernel`,
      );
    }
    if (!this.lowered) return;
    if (!isPowerOfTwo(buffer.lanes)) this.fail(`${buffer.lanes} lanes; a power of two is needed`);
    if (buffer.space === "register") {
      if (buffer.size.value === undefined) this.fail(`register buffer ${buffer.name} needs a constant size`);
      return;
    }
    if (offset === undefined) this.fail(`local buffer ${buffer.name} has no offset`);
    if (offset % 64 !== 0) this.fail(`offset ${offset} is not a multiple of 64`);
    const end = offset + buffer.size.max * bytesOf(buffer.dtype);
    if (end > this.localBytes)
      this.fail(`bytes ${offset} to ${end} exceed ${this.localBytes} bytes of local memory`);
    for (const other of this.places) {
      if (offset < other.end && other.start < end) {
        this.fail(`${buffer.name} overlaps ${other.buffer.name} at bytes ${other.start} to ${other.end}`);
      }
    }
    this.places.push({ buffer, start: offset, end });
  }

  private store({ buffer, index, value, stream }: StoreStmt): void {
    if (stream && buffer.space !== "global") this.fail(`${buffer.name} is streamed and is not global`);
    const wraps =
      isInteger(value.dtype) && isInteger(buffer.dtype) && bytesOf(buffer.dtype) <= bytesOf(value.dtype);
    if (value.dtype !== buffer.dtype && !(this.lowered && wraps)) {
      this.fail(`a value of ${value.dtype} is stored in ${buffer.name}, which is ${buffer.dtype}`);
    }
    this.access(buffer, index, value.lanes, false);
    this.race(buffer, index);
  }

  private tile({ unit, rows, columns, depth, sums, left, right }: TileStmt): void {
    const misfit = tileMisfit(unit, rows, columns, depth);
    if (misfit !== undefined) this.fail(misfit);
    if (left.group !== unit.group) this.fail(`the left operand's groups are ${left.group} apart`);
    for (const [access, dtype] of [
      [sums, unit.sums],
      [left, unit.left],
      [right, unit.right],
    ] as const) {
      const { buffer, index } = access;
      const bits = this.lowered && bytesOf(buffer.dtype) === bytesOf(dtype);
      if (buffer.dtype !== dtype && !bits)
        this.fail(`${buffer.name} is ${buffer.dtype}; ${unit.name} takes ${dtype}`);
      if (buffer.space === "register") this.fail(`${buffer.name} is in registers`);
      this.access(buffer, index, 1, false);
    }
    if (sums.buffer.space !== "local") this.fail(`${sums.buffer.name} is not a thread's own`);
    this.race(sums.buffer, sums.index);
  }

  private prefetch({ buffer, index }: PrefetchStmt): void {
    if (buffer.space === "register" || !this.buffers.has(buffer))
      this.fail(`${buffer.name} is not memory that could be fetched`);
    this.indices([index]);
  }

  /** Iterations of a parallel loop must not all write the same element. */
  private race(buffer: Buffer, index: Index): void {
    for (const { name, outside, varying } of this.parallel) {
      if (outside.has(buffer) && !this.varies([index], varying)) {
        this.fail(`every iteration of the parallel loop over ${name} writes ${buffer.name}[${index}]`);
      }
    }
  }

  /** True if an index may depend on one of the atoms; loaded values may depend on anything. */
  private varies(indices: readonly Index[], atoms: ReadonlySet<Atom>): boolean {
    let found = false;
    for (const index of indices) {
      visitAtoms(index, (atom) => {
        if (atom.kind === "loaded" || atoms.has(atom)) found = true;
      });
    }
    return found;
  }

  // Indices -------------------------------------------------------------------------------------------------------

  indices(indices: readonly Index[]): void {
    for (const index of indices) {
      visitAtoms(index, (atom) => {
        if (atom.kind === "loaded") {
          if (!isInteger(atom.value.dtype) || atom.value.lanes !== 1) {
            this.fail(`a value of ${describe(atom.value)} is used as an index`);
          }
        } else if (atom.kind === "div" || atom.kind === "mod") {
          if (atom.divisor.max <= 0) this.fail(`an index is divided by ${atom.divisor}`);
        } else if (!this.atoms.has(atom)) {
          this.fail(`${atom.kind} variable ${atom.name} is not bound here`);
        }
      });
    }
  }

  private access(buffer: Buffer, index: Index, lanes: number, guarded: boolean): void {
    if (!this.buffers.has(buffer)) this.fail(`buffer ${buffer.name} is not declared here`);
    const register = buffer.space === "register";
    if (register && index.value === undefined) {
      this.fail(`register buffer ${buffer.name} is addressed by ${index}; it must be a constant`);
    }
    if (register && lanes !== buffer.lanes) {
      this.fail(`register buffer ${buffer.name} has ${buffer.lanes} lanes; the access has ${lanes}`);
    }
    if (guarded || this.conditional > 0) return;
    const elements = register ? 1 : lanes;
    if (index.max < 0 || index.min + elements > buffer.size.max) {
      this.fail(
        `index ${index}, in ${range(index)}, is certainly outside ${buffer.name}, of ${buffer.size} elements`,
      );
    }
  }

  // Expressions ---------------------------------------------------------------------------------------------------

  private expression(x: Expr): void {
    if (!this.lowered && (ONLY_LOWERED.has(x.op) || x.lanes !== 1)) {
      this.fail(`${x.op} of ${describe(x)} appears only after lowering`);
    }
    const converted = CONVERTED_DTYPES.has(x.dtype) && CONVERTED_BY.has(x.op);
    if (this.lowered && !MACHINE_DTYPES.has(x.dtype) && !converted) {
      this.fail(`${x.op} of ${describe(x)}: a machine has no registers of this dtype`);
    }
    if (this.lowered && !isPowerOfTwo(x.lanes)) this.fail(`${x.op} of ${describe(x)}: not a power of two`);
    this.indices(indicesOf(x));
    switch (x.op) {
      case "const":
        this.constant(x.value, x.dtype);
        return;
      case "index":
        if (!isInteger(x.dtype)) this.fail(`an index as a value of ${x.dtype}; it must be an integer dtype`);
        return;
      case "valid":
        if (x.dtype !== "bool") this.fail(`a predicate as a value of ${x.dtype}; it must be bool`);
        return;
      case "load":
        this.load(x);
        return;
      case "cast":
        this.operands(x, x.lanes);
        if (this.lowered) this.conversion(x.args[0].dtype, x.dtype);
        return;
      case "bitcast":
        this.operands(x, x.lanes);
        if (bytesOf(x.dtype) !== bytesOf(x.args[0].dtype)) {
          this.fail(`bitcast of ${describe(x.args[0])} to ${x.dtype}: their widths differ`);
        }
        return;
      case "ref": {
        const value = this.variables.get(x.name);
        if (value === undefined) this.fail(`$${x.name} is not bound here`);
        if (value.dtype !== x.dtype || value.lanes !== x.lanes) {
          this.fail(`$${x.name} is ${describe(value)}, but is used as ${describe(x)}`);
        }
        return;
      }
      case "splat":
      case "pack":
        this.operands(x, 1);
        if (x.args.some((arg) => arg.dtype !== x.dtype)) this.fail(`${x.op} of lanes of different dtypes`);
        if (x.op === "pack" && x.args.length !== x.lanes)
          this.fail(`pack of ${x.args.length} into ${x.lanes} lanes`);
        return;
      case "extract":
        if (x.lanes !== 1 || x.dtype !== x.args[0].dtype || !(x.lane >= 0 && x.lane < x.args[0].lanes)) {
          this.fail(`extract of lane ${x.lane} of ${describe(x.args[0])}`);
        }
        return;
      case "shuffle": {
        const [a, b] = x.args;
        const within = x.picks.every((lane) => Number.isInteger(lane) && lane >= 0 && lane < 2 * a.lanes);
        const alike = a.lanes === b.lanes && a.dtype === b.dtype && a.dtype === x.dtype;
        // Fewer lanes than the operands have: one of their parts.
        const isPart = x.picks.every((lane, i) => lane === x.picks[0] + i) && x.picks[0] % x.lanes === 0;
        const sized = x.lanes === a.lanes || (x.lanes < a.lanes && isPart && a === b);
        if (!alike || !within || !sized || x.picks.length !== x.lanes || a.lanes === 1)
          this.fail(`shuffle of lanes ${x.picks.join(", ")} of ${describe(a)} and ${describe(b)}`);
        return;
      }
      default:
        this.scalar(x);
    }
  }

  private operands(x: Expr, lanes: number): void {
    for (const arg of x.args) {
      if (arg.lanes !== lanes) this.fail(`${x.op} of ${describe(x)} has an operand of ${describe(arg)}`);
    }
  }

  private constant(value: unknown, dtype: DType): void {
    const type = dtype === "bool" ? "boolean" : isBigInteger(dtype) ? "bigint" : "number";
    if (typeof value !== type) this.fail(`a constant of ${dtype} holds a ${typeof value}, not a ${type}`);
  }

  private conversion(from: DType, to: DType): void {
    const [narrow, other] = CONVERTED_DTYPES.has(from) ? [from, to] : [to, from];
    if (CONVERTED_DTYPES.has(narrow) && other !== "float32") this.fail(`cast of ${from} to ${to}`);
  }

  private load({ buffer, index, valid, dtype, lanes }: LoadExpr): void {
    const narrow = isInteger(buffer.dtype) && bytesOf(buffer.dtype) < 4;
    const widens = this.lowered && narrow && (dtype === "int32" || dtype === "uint32");
    if (dtype !== buffer.dtype && !widens) {
      this.fail(`a load of ${dtype} from ${buffer.name}, which is ${buffer.dtype}`);
    }
    this.access(buffer, index, lanes, valid.length > 0);
  }

  private scalar(x: ScalarExpr): void {
    if (x.args.length !== arityOf(x.op))
      this.fail(`${x.op} takes ${arityOf(x.op)} operands, not ${x.args.length}`);
    this.operands(x, x.lanes);
    const compared = x.op === "where" ? x.args.slice(1) : x.args;
    const dtypes = x.args.map((arg) => arg.dtype);
    if (compared.some((arg) => arg.dtype !== compared[0].dtype)) {
      this.fail(`${x.op} of operands of different dtypes: ${dtypes.join(", ")}`);
    }
    if (x.op === "where" && dtypes[0] !== "bool")
      this.fail(`the condition of where is ${dtypes[0]}, not bool`);
    if (x.dtype !== resultDType(x.op, dtypes)) this.fail(`${x.op} of ${dtypes.join(", ")} is not ${x.dtype}`);
    const operand = compared[0].dtype;
    if (!isDefinedOn(x.op, operand)) this.fail(`${x.op} is not defined on ${operand}`);
    if (!this.lowered || x.op === "where" || isComparison(x.op)) return;
    const known = MACHINE_OPS[isFloat(operand) ? "float" : operand === "bool" ? "bool" : "integer"];
    if (!known.has(x.op)) this.fail(`${x.op} on ${operand} should have been expanded by lowering`);
  }
}

const describe = (x: Expr): string => (x.lanes === 1 ? x.dtype : `${x.dtype}x${x.lanes}`);
const range = ({ min, max }: { readonly min: number; readonly max: number }): string => `[${min}, ${max}]`;
