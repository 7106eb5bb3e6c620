// Expressions as instructions: instruction selection for scalars and vectors.

import { castScalar, castVector } from "./wasm-casts.js";
import type { Index } from "../kernel/index.js";
import { type Buffer, type Expr, type LoadExpr, type ScalarExpr, topologicalOrder } from "../kernel/ir.js";
import { bytesOf, kindOf } from "../scalar/dtype.js";
import {
  type Address,
  addressNode,
  type IndexScope,
  indexNode,
  validNode,
  wideIndexNode,
} from "./wasm-index.js";
import { unsignedLeb } from "./wasm-encoder.js";
import type { Arena, Node } from "./wasm-nodes.js";
import {
  type AccessCode,
  isRegisterDType,
  laneBytes,
  laneCode,
  type RegisterDType,
  SCALAR_LOADS,
  scalarCode,
  SELECT,
  shapeOf,
  V128,
  VECTOR_ACCESS,
} from "./wasm-opcodes.js";
import {
  bitwise,
  compareWide,
  extractLane,
  isUnsignedLike,
  laneByLane,
  narrowWords,
  packLanes,
  pairwise,
  partCount,
  type Parts,
  partwise,
  scalarConstant,
  pickLanes,
  shuffle,
  splatNode,
  spreadLane,
  vectorConstant,
  widenMask,
} from "./wasm-vectors.js";

/** What a function knows of the names its expressions mention. */
export interface ValueScope {
  readonly arena: Arena;
  /** The relaxed vector instructions may be used. */
  readonly relaxed: boolean;
  atomNode: IndexScope["atomNode"];
  atomDepth: IndexScope["atomDepth"];
  /** An i32, where the buffer begins, and bytes to add. */
  base(buffer: Buffer): { readonly node: Node; readonly offset: number };
  /** The variable of a register buffer. */
  register(buffer: Buffer, index: Index): Parts;
  /** The value of a name bound by `let`. */
  named(name: string): Parts;
  fail(message: string): never;
}

/** Turns the expressions of one statement into nodes. */
export class Selection implements IndexScope {
  readonly arena: Arena;
  private readonly values = new Map<Expr, Parts>();
  private readonly uses = new Map<Expr, number>();

  constructor(
    private readonly scope: ValueScope,
    roots: readonly Expr[],
  ) {
    this.arena = scope.arena;
    const order = topologicalOrder(roots);
    for (const x of order) for (const arg of x.args) this.uses.set(arg, (this.uses.get(arg) ?? 0) + 1);
    for (const x of order) this.values.set(x, this.select(x));
  }

  parts(x: Expr): Parts {
    return this.values.get(x)!;
  }

  atomNode(atom: Parameters<IndexScope["atomNode"]>[0]): Node {
    return this.scope.atomNode(atom);
  }

  atomDepth(atom: Parameters<IndexScope["atomDepth"]>[0]): number {
    return this.scope.atomDepth(atom);
  }

  valueNode(value: Expr): Node {
    return this.parts(value)[0];
  }

  /** Where an element of a buffer in memory lies. */
  address(buffer: Buffer, index: Index): Address {
    const { node, offset } = this.scope.base(buffer);
    return addressNode(node, offset, index, bytesOf(buffer.dtype), this);
  }

  private dtypeOf(x: Expr): RegisterDType {
    if (isRegisterDType(x.dtype)) return x.dtype;
    return this.scope.fail(`a value of dtype ${x.dtype} (${x.op}) is left; lowering should have emulated it`);
  }

  private select(x: Expr): Parts {
    const { arena } = this;
    const dtype = this.dtypeOf(x);
    switch (x.op) {
      case "const": {
        if (x.lanes === 1) return [scalarConstant(arena, x.value, dtype)];
        const part = vectorConstant(arena, [x.value], dtype);
        return new Array<Node>(partCount(dtype, x.lanes)).fill(part);
      }
      case "index":
        return [laneBytes(dtype) === 8 ? wideIndexNode(x.index, this) : indexNode(x.index, "i32", this)];
      case "valid":
        return [validNode(x.valid, this) ?? arena.i32(1)];
      case "load":
        return this.load(x, dtype);
      case "ref":
        return this.scope.named(x.name);
      case "splat":
        return this.splat(x.args[0], x.lanes, dtype);
      case "pack":
        return this.pack(x.args, dtype);
      case "extract":
        return [extractLane(arena, this.parts(x.args[0]), dtype, x.lane)];
      case "shuffle": {
        const operands = x.args.map((arg) => this.parts(arg));
        return pickLanes(arena, operands, x.args[0].lanes, x.picks, dtype);
      }
      case "cast":
        return this.cast(x.args[0], dtype);
      case "bitcast":
        return this.bitcast(x.args[0], dtype);
      default:
        return x.lanes === 1
          ? [
              this.scalarOp(
                x,
                dtype,
                x.args.map((arg) => this.parts(arg)[0]),
              ),
            ]
          : this.vectorOp(x, dtype);
    }
  }

  // Memory --------------------------------------------------------------------------------------------------------

  private load({ buffer, index, valid, lanes }: LoadExpr, dtype: RegisterDType): Parts {
    const { arena } = this;
    if (buffer.space === "register") return this.scope.register(buffer, index);
    if (valid.some((v) => v.max < 0)) {
      if (lanes === 1) return [scalarConstant(arena, dtype.endsWith("64") ? 0n : 0, dtype)];
      return new Array<Node>(partCount(dtype, lanes)).fill(vectorConstant(arena, [0], dtype));
    }
    const guard = validNode(valid, this);
    const { node, offset } = this.address(buffer, index);
    const read = (access: AccessCode, at: number): Node =>
      arena.node(access.type, memoryCode(access, offset + at), [node], guard);
    const access = SCALAR_LOADS[buffer.dtype];
    if (access === undefined) return this.scope.fail(`buffer ${buffer.name} has dtype ${buffer.dtype}`);
    if (lanes === 1) return [read(access, 0)];
    const bytes = bytesOf(buffer.dtype);
    const count = partCount(dtype, lanes);
    const perPart = Math.min(lanes, 16 / laneBytes(dtype));
    const partBytes = perPart * bytes;
    if (bytes === laneBytes(dtype)) {
      const whole = perPart * bytes === 16 ? VECTOR_ACCESS.load : VECTOR_ACCESS.loadZero[8];
      return Array.from({ length: count }, (_, p) => read(whole, p * partBytes));
    }
    const sign = kindOf(buffer.dtype) === "signed" ? "signed" : "unsigned";
    const extend = (code: readonly number[], x: Node): Node => arena.node("v128", code, [x]);
    let parts: Node[];
    if (perPart < 4) {
      const low = bytes === 2 ? read(VECTOR_ACCESS.loadZero[4], 0) : this.loadTwoBytes(read);
      const words = bytes === 2 ? low : extend(V128.extendLow8[sign], low);
      parts = [extend(V128.extendLow16[sign], words)];
    } else if (bytes === 2) {
      const widen = VECTOR_ACCESS.loadWiden[sign === "signed" ? "int16" : "uint16"];
      parts = Array.from({ length: count }, (_, p) => read(widen, p * 8));
    } else if (count === 1) {
      const words = extend(V128.extendLow8[sign], read(VECTOR_ACCESS.loadZero[4], 0));
      parts = [extend(V128.extendLow16[sign], words)];
    } else {
      const widen = VECTOR_ACCESS.loadWiden[sign === "signed" ? "int8" : "uint8"];
      parts = Array.from({ length: count }, (_, p) => {
        const half = p % 2 === 0 ? V128.extendLow16 : V128.extendHigh16;
        return extend(half[sign], read(widen, (p >> 1) * 8));
      });
    }
    return dtype === "bool" ? partwise(arena, "neg", "i32", false, [parts])! : parts;
  }

  private loadTwoBytes(read: (access: AccessCode, at: number) => Node): Node {
    return this.arena.node("v128", laneCode("splat", "i32")!, [read(SCALAR_LOADS.uint16!, 0)]);
  }

  /** An unconditional load of an element as wide as a lane, so that it can go straight into a vector. */
  private directLoad(x: Expr, dtype: RegisterDType): Address | undefined {
    if (x.op !== "load" || x.buffer.space === "register" || bytesOf(x.buffer.dtype) !== laneBytes(dtype)) {
      return undefined;
    }
    if (x.valid.some((v) => v.min < 0)) return undefined;
    return this.address(x.buffer, x.index);
  }

  // Lanes ---------------------------------------------------------------------------------------------------------

  private splat(x: Expr, lanes: number, dtype: RegisterDType): Parts {
    if (x.op === "extract") {
      const part = spreadLane(this.arena, this.parts(x.args[0]), dtype, x.lane);
      return new Array<Node>(partCount(dtype, lanes)).fill(part);
    }
    const direct = this.directLoad(x, dtype);
    const part =
      direct === undefined
        ? splatNode(this.arena, this.parts(x)[0], dtype)
        : this.arena.node("v128", memoryCode(VECTOR_ACCESS.loadSplat[laneBytes(dtype)], direct.offset), [
            direct.node,
          ]);
    return new Array<Node>(partCount(dtype, lanes)).fill(part);
  }

  private pack(args: readonly Expr[], dtype: RegisterDType): Parts {
    const { arena } = this;
    const perPart = 16 / laneBytes(dtype);
    return Array.from({ length: partCount(dtype, args.length) }, (_, p) => {
      const own = args.slice(p * perPart, (p + 1) * perPart);
      const constants = own.flatMap((x) => (x.op === "const" ? [x.value] : []));
      if (constants.length === own.length) return vectorConstant(arena, constants, dtype);
      return (
        this.ramp(own, dtype) ??
        this.gather(own, dtype) ??
        packLanes(
          arena,
          own.map((x) => this.parts(x)[0]),
          dtype,
        )[0]
      );
    });
  }

  /** Indices that differ by constants: the first in every lane plus a constant vector. */
  private ramp(own: readonly Expr[], dtype: RegisterDType): Node | undefined {
    const steps: number[] = [];
    const [first] = own;
    if (first.op !== "index") return undefined;
    const termsKey = (index: Index): string => index.key.slice(String(index.constant).length);
    for (const x of own) {
      if (x.op !== "index" || termsKey(x.index) !== termsKey(first.index)) return undefined;
      steps.push(x.index.constant - first.index.constant);
    }
    const start = splatNode(this.arena, this.parts(first)[0], dtype);
    const offsets = vectorConstant(this.arena, steps, dtype);
    return this.arena.node("v128", laneCode("add", shapeOf(dtype))!, [start, offsets]);
  }

  /** Loads lane by lane into one register. */
  private gather(own: readonly Expr[], dtype: RegisterDType): Node | undefined {
    const bytes = laneBytes(dtype);
    const places = own.map((x) => this.directLoad(x, dtype));
    let vector: Node | undefined;
    for (let lane = 0; lane < own.length; lane++) {
      const place = places[lane];
      if (place === undefined) return undefined;
      vector =
        vector === undefined
          ? this.arena.node("v128", memoryCode(VECTOR_ACCESS.loadZero[bytes], place.offset), [place.node])
          : this.arena.node(
              "v128",
              [...memoryCode(VECTOR_ACCESS.loadLane[bytes], place.offset), lane],
              [place.node, vector],
            );
    }
    return vector;
  }

  // Conversions ---------------------------------------------------------------------------------------------------

  private bitcast(x: Expr, to: RegisterDType): Parts {
    const from = this.dtypeOf(x);
    const parts = this.parts(x);
    if (laneBytes(from) !== laneBytes(to)) this.scope.fail(`bitcast from ${from} to ${to}: widths differ`);
    const shape = shapeOf(to);
    if (x.lanes > 1 || shapeOf(from) === shape) return parts;
    return [this.arena.node(shape, scalarCode("reinterpret", shape)!, parts)];
  }

  private cast(x: Expr, to: RegisterDType): Parts {
    const from = this.dtypeOf(x);
    const parts = this.parts(x);
    return x.lanes === 1
      ? [castScalar(this.arena, parts[0], from, to)]
      : castVector(this.arena, parts, x.lanes, from, to);
  }

  // Operations ----------------------------------------------------------------------------------------------------

  private unsupported(x: ScalarExpr, dtype: RegisterDType): never {
    return this.scope.fail(`${x.op} on ${dtype} is no machine operation; lowering should have expanded it`);
  }

  private scalarOp(x: ScalarExpr, dtype: RegisterDType, args: readonly Node[]): Node {
    const { arena } = this;
    const operand = this.dtypeOf(x.args[x.args.length - 1]);
    const shape = shapeOf(operand);
    const unsigned = isUnsignedLike(operand);
    const [a, b, c] = args;
    const integer = shape === "i32" || shape === "i64";
    const make = (name: string, ...over: Node[]): Node => {
      const code = scalarCode(name, shape, unsigned);
      if (code === undefined) return this.unsupported(x, operand);
      return arena.node(x.dtype === "bool" ? "i32" : shapeOf(dtype), code, over);
    };
    switch (x.op) {
      case "where":
        return arena.node(shape, SELECT, [b, c, a]);
      case "fma":
        return make("add", make("mul", a, b), c);
      case "not":
        return dtype === "bool" ? make("eqz", a) : make("xor", a, scalarConstant(arena, -1, dtype));
      case "neg":
        return integer ? make("sub", scalarConstant(arena, 0, dtype), a) : make("neg", a);
      case "abs": {
        if (!integer || unsigned) return integer ? a : make("abs", a);
        const sign = make("shr", a, scalarConstant(arena, shape === "i32" ? 31 : 63, dtype));
        return make("sub", make("xor", a, sign), sign);
      }
      case "max":
      case "min": {
        if (!integer) return make(x.op, a, b);
        const first = scalarCode(x.op === "max" ? "gt" : "lt", shape, unsigned)!;
        return arena.node(shape, SELECT, [a, b, arena.node("i32", first, [a, b])]);
      }
      default:
        return make(x.op, ...args);
    }
  }

  private vectorOp(x: ScalarExpr, dtype: RegisterDType): Parts {
    const { arena } = this;
    const operands = x.args.map((arg) => this.parts(arg));
    const operand = this.dtypeOf(x.args[x.args.length - 1]);
    const shape = shapeOf(operand);
    const unsigned = isUnsignedLike(operand);
    const [a, b, c] = operands;
    const native = (name: string, ...over: Parts[]): Node[] | undefined =>
      partwise(arena, name, shape, unsigned, over);
    const singly = (): Node[] => {
      const sources = x.args.map((arg, i) => ({ parts: operands[i], dtype: this.dtypeOf(arg) }));
      return laneByLane(arena, sources, x.lanes, dtype, (lanes) => this.scalarOp(x, dtype, lanes));
    };
    switch (x.op) {
      case "where": {
        const mask = laneBytes(operand) === 8 ? widenMask(arena, a, x.lanes) : a;
        return this.choose(mask, b, c, laneBytes(operand));
      }
      case "add":
        return this.contracted(x, shape) ?? native("add", a, b) ?? singly();
      case "fma":
        if (this.scope.relaxed && native("fma", a, b, c) !== undefined) return native("fma", a, b, c)!;
        return native("add", native("mul", a, b)!, c)!;
      case "and":
      case "or":
      case "xor":
        return bitwise(arena, x.op, a, b);
      case "not":
        return a.map((part) => arena.node("v128", V128.not, [part]));
      case "abs":
        return unsigned ? a : native("abs", a)!;
      case "max":
      case "min": {
        if (shape === "f32" || shape === "f64") return this.floatExtremum(x, shape);
        if (shape === "i32") return native(x.op, a, b)!;
        return this.choose(compareWide(arena, x.op === "max" ? "gt" : "lt", a, b, unsigned), a, b, 8);
      }
      case "lt":
      case "le":
      case "eq":
      case "ne":
        if (shape === "i64") return narrowWords(arena, compareWide(arena, x.op, a, b, unsigned));
        return shape === "f64" ? narrowWords(arena, native(x.op, a, b)!) : native(x.op, a, b)!;
      case "shl":
      case "shr": {
        const amount = this.uniformAmount(x.args[1]);
        if (amount === undefined) return singly();
        const code = laneCode(x.op, shape, unsigned)!;
        return a.map((part) => arena.node("v128", code, [part, amount]));
      }
      default:
        return native(x.op, ...operands) ?? singly();
    }
  }

  /**
   * `a < b ? b : a` (or the other way about) is one instruction of most machines, which gives a if either is NaN; the
   * machine's maximum that gives NaN then, and orders zeros, is nine. So a choice mends it where b can be NaN.
   */
  private floatExtremum(x: ScalarExpr, shape: "f32" | "f64"): Node[] {
    const swapped = isNumber(x.args[0]) && !isNumber(x.args[1]);
    const [a, b] = swapped ? [x.args[1], x.args[0]] : x.args;
    const second = this.parts(b);
    const chosen = partwise(this.arena, `pseudo_${x.op}`, shape, false, [this.parts(a), second])!;
    if (isNumber(b)) return chosen;
    const unordered = partwise(this.arena, "ne", shape, false, [second, second])!;
    return this.choose(unordered, second, chosen, shape === "f32" ? 4 : 8);
  }

  /** One of two values by a mask of lanes as wide as theirs. */
  private choose(mask: Parts, x: Parts, y: Parts, width: 4 | 8): Node[] {
    const code = this.scope.relaxed ? laneCode("select", width === 8 ? "i64" : "i32")! : V128.bitselect;
    return x.map((part, p) => this.arena.node("v128", code, [part, y[p], mask[p]]));
  }

  /** x * y + z as one instruction, where nothing else needs the product. */
  private contracted(x: ScalarExpr, shape: string): Node[] | undefined {
    if (!this.scope.relaxed || (shape !== "f32" && shape !== "f64")) return undefined;
    for (const at of [0, 1]) {
      const product = x.args[at];
      if (product.op !== "mul" || this.uses.get(product) !== 1) continue;
      const [a, b] = product.args.map((arg) => this.parts(arg));
      return partwise(this.arena, "fma", shape, false, [a, b, this.parts(x.args[1 - at])]);
    }
    return undefined;
  }

  /** The amount of a shift that is the same in all lanes. */
  private uniformAmount(amount: Expr): Node | undefined {
    if (amount.op === "const") return this.arena.i32(Number(amount.value));
    if (amount.op !== "splat") return undefined;
    return castScalar(this.arena, this.parts(amount.args[0])[0], this.dtypeOf(amount), "uint32");
  }

  // Stores --------------------------------------------------------------------------------------------------------

  /** A vector's parts as the bytes of a buffer of narrower elements, 16 at a time. */
  narrowed(parts: Parts, buffer: Buffer): Node[] {
    const { arena } = this;
    const words = pairwise(parts, (a, b) => shuffle(arena, a, b, EVEN_HALFWORDS));
    if (bytesOf(buffer.dtype) === 2) return words;
    const bytes = pairwise(words, (a, b) => shuffle(arena, a, b, EVEN_BYTES));
    if (buffer.dtype !== "bool") return bytes;
    const ones = arena.v128(new Uint8Array(16).fill(1));
    return bytes.map((x) => arena.node("v128", V128.and, [x, ones]));
  }
}

/** A literal that is not NaN. */
const isNumber = (x: Expr): boolean => x.op === "const" && !Number.isNaN(x.value);

const EVEN_HALFWORDS = [0, 1, 4, 5, 8, 9, 12, 13, 16, 17, 20, 21, 24, 25, 28, 29];
const EVEN_BYTES = [0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30];

/** An access with its immediates: alignment and offset. */
export const memoryCode = (access: AccessCode, offset: number): number[] => [
  ...access.code,
  access.align,
  ...unsignedLeb(offset),
];
