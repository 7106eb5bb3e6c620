// The interpreter: executes kernels and programs at every stage of compiling, exactly. It is the oracle that all
// other devices are tested against, so it checks what they take for granted: every access lies within its buffer,
// every variable is bound, memory just allocated holds rubbish.
//
// A body is compiled once into closures over numbered slots (values of expressions, of index atoms, of buffers) and
// then run. Expressions are evaluated in topological order, one step each, so their depth costs no stack.

import type { Program } from "../lower/program.js";
import { bitcastScalar, castScalar, elementReader, elementWriter, wrapInteger } from "../scalar/convert.js";
import { bytesOf, type DType, isBigInteger, type Scalar } from "../scalar/dtype.js";
import { scalarFunction } from "../scalar/evaluate.js";
import { type Atom, type Index, printIndex, type SymbolAtom, visitAtoms } from "./index.js";
import {
  type AccumulateStmt,
  type AllocStmt,
  type Buffer,
  type Expr,
  exprsOf,
  type ForStmt,
  type Kernel,
  type LoadExpr,
  type Stmt,
  type StoreStmt,
  type TileAccess,
  type TileStmt,
  statementIndices,
  topologicalOrder,
  type Valid,
} from "./ir.js";

/** The bytes of each buffer a kernel is passed. */
export type Memory = ReadonlyMap<Buffer, Uint8Array>;
/** Values of symbolic variables by name. */
export type SymbolValues = Readonly<Record<string, number>>;
/** A kernel or program made ready to run any number of times. */
export type Interpretation = (memory: Memory, symbols?: SymbolValues) => void;

export class InterpretError extends Error {
  override name = "InterpretError";
}

/** Runs a kernel (before lowering) over these buffers. */
export function interpretKernel(kernel: Kernel, memory: Memory, symbols: SymbolValues = {}): void {
  prepareKernel(kernel)(memory, symbols);
}

/** Runs a program (after lowering) over these buffers. Scratch buffers not given are allocated. */
export function interpretProgram(program: Program, memory: Memory, symbols: SymbolValues = {}): void {
  prepareProgram(program)(memory, symbols);
}

const prepared = new WeakMap<Kernel | Program, Interpretation>();

export function prepareKernel(kernel: Kernel): Interpretation {
  let run = prepared.get(kernel);
  if (run === undefined) {
    const machine = new Machine(kernel.name, kernel.params, [], kernel.symbols, 0);
    run = machine.interpretation([machine.block(kernel.body)]);
    prepared.set(kernel, run);
  }
  return run;
}

export function prepareProgram(program: Program): Interpretation {
  let run = prepared.get(program);
  if (run === undefined) {
    const { name, params, scratch, symbols, localBytes } = program;
    const machine = new Machine(name, params, scratch, symbols, localBytes);
    const phases = program.phases.map(({ atom, body }) =>
      machine.block([{ kind: "for", atom, loop: "parallel", body }]),
    );
    run = machine.interpretation(phases);
    prepared.set(program, run);
  }
  return run;
}

// ---------------------------------------------------------------------------------------------------------------

type Value = Scalar | Scalar[];
type Step = () => void;

/** Memory of one buffer while a kernel runs. `size` is in elements, or for registers in variables. */
interface Place {
  view: DataView;
  size: number;
}

/** What bytes hold before they are written: NaN as a float, -1 as an integer. */
const RUBBISH = 0xff;

class Machine {
  private readonly values: Value[] = [];
  private readonly indices: number[] = [];
  private readonly places = new Map<Buffer, Place>();
  private readonly atomSlots = new Map<Atom, number>();
  private readonly letSlots = new Map<string, number>();
  private readonly local: Uint8Array;

  constructor(
    private readonly kernelName: string,
    private readonly params: readonly Buffer[],
    private readonly scratch: readonly Buffer[],
    private readonly symbols: readonly SymbolAtom[],
    localBytes: number,
  ) {
    this.local = new Uint8Array(localBytes);
    for (const symbol of symbols) this.bind(symbol);
    for (const buffer of [...params, ...scratch]) this.declare(buffer);
  }

  private fail(message: string): never {
    throw new InterpretError(`${this.kernelName}: ${message}`);
  }

  interpretation(phases: readonly Step[]): Interpretation {
    const bound = [...this.params, ...this.scratch].map((buffer) => ({
      buffer,
      place: this.place(buffer),
      size: this.index(buffer.size, NO_SLOTS),
    }));
    return (memory, symbols = {}) => {
      for (const symbol of this.symbols)
        this.indices[this.slotOf(symbol)] = this.symbolValue(symbol, symbols);
      for (const { buffer, place, size } of bound) {
        place.size = size();
        const bytes = memory.get(buffer) ?? this.missing(buffer, place.size);
        if (bytes.byteLength < place.size * bytesOf(buffer.dtype)) {
          this.fail(
            `${describe(buffer)} needs ${place.size} elements, its memory has ${bytes.byteLength} bytes`,
          );
        }
        place.view = viewOf(bytes);
      }
      for (const phase of phases) phase();
    };
  }

  private symbolValue({ name, min, max }: SymbolAtom, values: SymbolValues): number {
    const value = values[name];
    if (value === undefined) this.fail(`no value is given for the variable ${name}`);
    if (value < min || value > max) this.fail(`variable ${name} = ${value} is not in [${min}, ${max}]`);
    return value;
  }

  private missing(buffer: Buffer, size: number): Uint8Array {
    if (!this.scratch.includes(buffer)) this.fail(`no memory is given for parameter ${describe(buffer)}`);
    return new Uint8Array(size * bytesOf(buffer.dtype)).fill(RUBBISH);
  }

  // Names ---------------------------------------------------------------------------------------------------------

  private bind(atom: Atom): number {
    const slot = this.indices.push(Number.NaN) - 1;
    this.atomSlots.set(atom, slot);
    return slot;
  }

  private slotOf(atom: Atom & { readonly name: string }): number {
    const slot = this.atomSlots.get(atom);
    if (slot === undefined) this.fail(`${atom.kind} variable ${atom.name} is not bound where it is used`);
    return slot;
  }

  private declare(buffer: Buffer): Place {
    const place = { view: viewOf(new Uint8Array(0)), size: 0 };
    this.places.set(buffer, place);
    return place;
  }

  private place(buffer: Buffer): Place {
    const place = this.places.get(buffer);
    if (place === undefined) this.fail(`buffer ${describe(buffer)} is not declared where it is used`);
    return place;
  }

  // Statements ----------------------------------------------------------------------------------------------------

  /** The steps of a block as one. Names bound in it end with it. */
  block(body: readonly Stmt[]): Step {
    const atoms: Atom[] = [];
    const names = new Map<string, number | undefined>();
    const steps: Step[] = [];
    for (const s of body) {
      if (s.kind === "letIndex") atoms.push(s.atom);
      if (s.kind === "let" && !names.has(s.name)) names.set(s.name, this.letSlots.get(s.name));
      this.statement(s, steps);
    }
    for (const atom of atoms) this.atomSlots.delete(atom);
    for (const [name, slot] of names) {
      if (slot === undefined) this.letSlots.delete(name);
      else this.letSlots.set(name, slot);
    }
    return inSequence(steps);
  }

  private statement(s: Stmt, steps: Step[]): void {
    const roots = [...exprsOf(s)];
    for (const index of statementIndices(s)) {
      visitAtoms(index, (atom) => {
        if (atom.kind === "loaded") roots.push(atom.value);
      });
    }
    const slots = this.expressions(roots, steps);
    switch (s.kind) {
      case "for":
        steps.push(this.loop(s, slots));
        return;
      case "if": {
        const holds = this.valid(s.valid, slots);
        const body = this.block(s.body);
        steps.push(() => {
          if (holds()) body();
        });
        return;
      }
      case "alloc":
        steps.push(this.alloc(s, slots));
        return;
      case "let":
        this.letSlots.set(s.name, slots.get(s.value)!);
        return;
      case "letIndex": {
        const { indices } = this;
        const index = this.index(s.index, slots);
        const slot = this.bind(s.atom);
        steps.push(() => {
          indices[slot] = index();
        });
        return;
      }
      case "prefetch":
        return;
      case "store":
        steps.push(this.store(s, slots));
        return;
      case "tile":
        steps.push(this.tile(s, slots));
        return;
      case "accumulate":
        steps.push(this.accumulate(s, slots));
        return;
    }
  }

  private loop({ atom, body }: ForStmt, slots: Slots): Step {
    const { indices } = this;
    const extent = this.index(atom.extent, slots);
    const slot = this.bind(atom);
    const run = this.block(body);
    this.atomSlots.delete(atom);
    return () => {
      const end = extent();
      for (let i = 0; i < end; i++) {
        indices[slot] = i;
        run();
      }
    };
  }

  private alloc({ buffer, offset }: AllocStmt, slots: Slots): Step {
    const size = this.index(buffer.size, slots);
    const place = this.declare(buffer);
    const step = bytesOf(buffer.dtype) * buffer.lanes;
    let memory: Uint8Array = new Uint8Array(0);
    return () => {
      place.size = size();
      const bytes = place.size * step;
      if (offset !== undefined) {
        if (offset + bytes > this.local.byteLength) {
          this.fail(
            `${describe(buffer)} at byte ${offset} exceeds ${this.local.byteLength} bytes of local memory`,
          );
        }
        memory = this.local.subarray(offset, offset + bytes);
      } else if (memory.byteLength !== bytes) memory = new Uint8Array(bytes);
      memory.fill(RUBBISH);
      place.view = viewOf(memory);
    };
  }

  private store({ buffer, index, value }: StoreStmt, slots: Slots): Step {
    const { values } = this;
    const at = this.address("store to", buffer, index, value.lanes, slots);
    const place = this.place(buffer);
    const write = elementWriter(buffer.dtype);
    const convert = converter(value.dtype, buffer.dtype);
    const slot = slots.get(value)!;
    const step = bytesOf(buffer.dtype);
    if (value.lanes === 1) return () => write(place.view, at(), convert(values[slot] as Scalar));
    return () => {
      const start = at();
      const lanes = values[slot] as Scalar[];
      for (let i = 0; i < lanes.length; i++) write(place.view, start + i * step, convert(lanes[i]));
    };
  }

  private accumulate({ op, buffer, index, value }: AccumulateStmt, slots: Slots): Step {
    const { values } = this;
    const at = this.address("accumulate to", buffer, index, 1, slots);
    const place = this.place(buffer);
    const read = elementReader(buffer.dtype);
    const write = elementWriter(buffer.dtype);
    const combine = scalarFunction(op, buffer.dtype);
    const slot = slots.get(value)!;
    return () => {
      const start = at();
      write(place.view, start, combine(read(place.view, start), values[slot] as Scalar, 0));
    };
  }

  private tile({ unit, rows, columns, depth, ...s }: TileStmt, slots: Slots): Step {
    const element = ({ buffer, index }: TileAccess, dtype: DType, what: string) => {
      const address = this.address(what, buffer, index, 1, slots);
      const place = this.place(buffer);
      const step = bytesOf(dtype);
      const at = (start: number, offset: number): number => {
        const i = start + offset * step;
        if (i < 0 || i + step > place.size * step)
          this.fail(`${what} ${describe(buffer)}[${i / step}], size ${place.size}, by a tile`);
        return i;
      };
      return { address, place, at };
    };
    const sums = element(s.sums, unit.sums, "add to");
    const left = element(s.left, unit.left, "load");
    const right = element(s.right, unit.right, "load");
    const read = elementReader(unit.sums);
    const write = elementWriter(unit.sums);
    const [readLeft, readRight] = [elementReader(unit.left), elementReader(unit.right)];
    const [convertLeft, convertRight] = [unit.left, unit.right].map((dtype) => converter(dtype, unit.sums));
    const [multiply, add] = [scalarFunction("mul", unit.sums), scalarFunction("add", unit.sums)];
    const { group, lanes } = unit;
    return () => {
      const [to, from, other] = [sums.address(), left.address(), right.address()];
      for (let r = 0; r < rows; r++) {
        for (let c = 0; c < columns; c++) {
          const [block, lane] = [Math.floor(c / lanes), c % lanes];
          const at = sums.at(to, r * s.sums.row + block * s.sums.block + lane);
          let sum = read(sums.place.view, at);
          for (let d = 0; d < depth; d++) {
            const [quad, part] = [Math.floor(d / group), d % group];
            const a = left.at(from, r * s.left.row + quad * s.left.group + part);
            const b = right.at(other, quad * s.right.group + block * s.right.block + lane * group + part);
            const x = convertLeft(readLeft(left.place.view, a));
            const y = convertRight(readRight(right.place.view, b));
            sum = add(sum, multiply(x, y, 0), 0);
          }
          write(sums.place.view, at, sum);
        }
      }
    };
  }

  /** The byte offset of an access, checked. */
  private address(what: string, buffer: Buffer, index: Index, lanes: number, slots: Slots): () => number {
    const place = this.place(buffer);
    const at = this.index(index, slots);
    const step = bytesOf(buffer.dtype);
    const variable = buffer.space === "register";
    if (variable && lanes !== buffer.lanes) {
      this.fail(`${what} register ${describe(buffer)} of ${buffer.lanes} lanes takes ${lanes} lanes`);
    }
    const elements = variable ? 1 : lanes;
    const bytes = variable ? step * lanes : step;
    return () => {
      const i = at();
      if (i >= 0 && i + elements <= place.size) return i * bytes;
      const count = elements === 1 ? "" : ` (${elements} elements)`;
      this.fail(`${what} ${describe(buffer)}[${i}]${count}, size ${place.size}, index ${printIndex(index)}`);
    };
  }

  // Expressions ---------------------------------------------------------------------------------------------------

  /** Adds the steps that compute the roots; gives the slot of each expression. */
  private expressions(roots: readonly Expr[], steps: Step[]): Slots {
    const slots: Map<Expr, number> = new Map();
    for (const x of topologicalOrder(roots)) {
      if (x.op === "ref") {
        const slot = this.letSlots.get(x.name);
        if (slot === undefined) this.fail(`${x.name} is not bound where it is used`);
        slots.set(x, slot);
        continue;
      }
      const slot = this.values.push(false) - 1;
      slots.set(x, slot);
      if (x.op === "const") this.values[slot] = x.lanes === 1 ? x.value : filled(x.value, x.lanes);
      else steps.push(this.expression(x, slot, slots));
    }
    return slots;
  }

  private expression(x: Exclude<Expr, { op: "const" | "ref" }>, slot: number, slots: Slots): Step {
    const { values } = this;
    const operands = x.args.map((arg) => slots.get(arg)!);
    switch (x.op) {
      case "index": {
        const index = this.index(x.index, slots);
        return () => {
          values[slot] = wrapInteger(index(), x.dtype);
        };
      }
      case "valid": {
        const holds = this.valid(x.valid, slots);
        return () => {
          values[slot] = holds();
        };
      }
      case "load":
        return this.load(x, slot, slots);
      case "splat":
        return () => {
          values[slot] = filled(values[operands[0]] as Scalar, x.lanes);
        };
      case "pack":
        return () => {
          values[slot] = operands.map((operand) => values[operand] as Scalar);
        };
      case "extract":
        return () => {
          values[slot] = (values[operands[0]] as Scalar[])[x.lane];
        };
      case "shuffle":
        return () => {
          const both = operands.flatMap((operand) => values[operand] as Scalar[]);
          values[slot] = x.picks.map((lane) => both[lane]);
        };
      case "cast":
        return this.lanewise(converter(x.args[0].dtype, x.dtype), x.lanes, slot, operands);
      case "bitcast":
        return this.lanewise(reinterpreter(x.args[0].dtype, x.dtype), x.lanes, slot, operands);
      default: {
        const dtype = x.args[x.args.length - 1].dtype;
        return this.lanewise(scalarFunction(x.op, dtype), x.lanes, slot, operands);
      }
    }
  }

  private lanewise(
    f: (x: Scalar, y: Scalar, z: Scalar) => Scalar,
    lanes: number,
    slot: number,
    operands: readonly number[],
  ): Step {
    const { values } = this;
    const a = operands[0];
    const b = operands[1] ?? a;
    const c = operands[2] ?? a;
    if (lanes === 1) {
      return () => {
        values[slot] = f(values[a] as Scalar, values[b] as Scalar, values[c] as Scalar);
      };
    }
    return () => {
      const x = values[a] as Scalar[];
      const y = values[b] as Scalar[];
      const z = values[c] as Scalar[];
      values[slot] = x.map((lane, i) => f(lane, y[i], z[i]));
    };
  }

  private load({ buffer, index, valid, dtype, lanes }: LoadExpr, slot: number, slots: Slots): Step {
    const { values } = this;
    const place = this.place(buffer);
    const at = this.address("load of", buffer, index, lanes, slots);
    const holds = this.valid(valid, slots);
    const read = elementReader(buffer.dtype);
    const convert = converter(buffer.dtype, dtype);
    const nothing = zeroOf(dtype);
    const step = bytesOf(buffer.dtype);
    if (lanes === 1) {
      if (dtype === buffer.dtype && valid.length === 0) {
        return () => {
          values[slot] = read(place.view, at());
        };
      }
      return () => {
        values[slot] = holds() ? convert(read(place.view, at())) : nothing;
      };
    }
    return () => {
      const start = holds() ? at() : undefined;
      values[slot] = Array.from({ length: lanes }, (_, i) =>
        start === undefined ? nothing : convert(read(place.view, start + i * step)),
      );
    };
  }

  // Indices -------------------------------------------------------------------------------------------------------

  private valid(valid: Valid, slots: Slots): () => boolean {
    const parts = valid.map((index) => this.index(index, slots));
    if (parts.length === 1) return () => parts[0]() >= 0;
    return () => parts.every((part) => part() >= 0);
  }

  private index({ constant, terms }: Index, slots: Slots): () => number {
    const { indices } = this;
    if (terms.length === 0) return () => constant;
    const products = terms.map(({ coefficient, atoms }) => {
      const factors = atoms.map((atom) => this.atom(atom, slots));
      if (factors.length === 1) {
        const [only] = factors;
        if (typeof only === "number") return () => coefficient * indices[only];
        return () => coefficient * only();
      }
      return () => {
        let product = coefficient;
        for (const factor of factors) product *= typeof factor === "number" ? indices[factor] : factor();
        return product;
      };
    });
    const [first, second] = products;
    if (products.length === 1) return () => constant + first();
    if (products.length === 2) return () => constant + first() + second();
    return () => {
      let sum = constant;
      for (const product of products) sum += product();
      return sum;
    };
  }

  /** The slot that holds an atom, or the function that computes it. */
  private atom(atom: Atom, slots: Slots): number | (() => number) {
    switch (atom.kind) {
      case "loop":
      case "symbol":
      case "let":
        return this.slotOf(atom);
      case "loaded": {
        const { values } = this;
        const slot = slots.get(atom.value)!;
        return () => Number(values[slot]);
      }
      case "div": {
        const numerator = this.index(atom.numerator, slots);
        const divisor = this.index(atom.divisor, slots);
        return () => Math.floor(numerator() / divisor());
      }
      case "mod": {
        const numerator = this.index(atom.numerator, slots);
        const divisor = this.index(atom.divisor, slots);
        return () => {
          const n = numerator();
          const d = divisor();
          return n - d * Math.floor(n / d);
        };
      }
    }
  }
}

type Slots = ReadonlyMap<Expr, number>;
const NO_SLOTS: Slots = new Map();

function inSequence(steps: readonly Step[]): Step {
  if (steps.length === 1) return steps[0];
  return () => {
    for (let i = 0; i < steps.length; i++) steps[i]();
  };
}

const describe = (buffer: Buffer): string => `${buffer.name} (${buffer.dtype})`;
const viewOf = (bytes: Uint8Array): DataView =>
  new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
const filled = (value: Scalar, lanes: number): Scalar[] => new Array<Scalar>(lanes).fill(value);
const zeroOf = (dtype: DType): Scalar => (dtype === "bool" ? false : isBigInteger(dtype) ? 0n : 0);

type Converter = (x: Scalar) => Scalar;
const converter = (from: DType, to: DType): Converter =>
  from === to ? (x) => x : (x) => castScalar(x, from, to);
const reinterpreter =
  (from: DType, to: DType): Converter =>
  (x) =>
    bitcastScalar(x, from, to);
