// Index algebra: the integers that address memory and bound loops.
//
// An Index is a polynomial with integer coefficients over atoms, in canonical form: a constant plus terms, each a
// coefficient times a product of atoms, sorted by atom id. Equal canonical forms have equal keys. Atoms are loop
// variables, symbolic variables, floor quotients and remainders, loaded integers and let-bound indices; every atom
// knows its inclusive range, so ranges of whole forms follow by interval arithmetic. Division and remainder have
// floor semantics and positive divisors.

import type { Expr } from "./ir.js";

export type Atom = LoopAtom | SymbolAtom | DivAtom | ModAtom | LoadedAtom | LetAtom;

interface AtomBase {
  /** Unique, increasing; orders atoms within a term. */
  readonly id: number;
  readonly min: number;
  readonly max: number;
}
/** A loop variable: 0 <= value < extent. Two loops never share an atom. */
export interface LoopAtom extends AtomBase {
  readonly kind: "loop";
  readonly name: string;
  readonly extent: Index;
}
/** A symbolic variable, bound when a kernel runs. One name, one atom. */
export interface SymbolAtom extends AtomBase {
  readonly kind: "symbol";
  readonly name: string;
}
/** floor(numerator / divisor), divisor > 0. */
export interface DivAtom extends AtomBase {
  readonly kind: "div";
  readonly numerator: Index;
  readonly divisor: Index;
}
/** numerator - divisor * floor(numerator / divisor), in [0, divisor). */
export interface ModAtom extends AtomBase {
  readonly kind: "mod";
  readonly numerator: Index;
  readonly divisor: Index;
}
/** An integer value read from memory or computed, used as an index. */
export interface LoadedAtom extends AtomBase {
  readonly kind: "loaded";
  readonly value: Expr;
  /** The free atoms of `value`. */
  readonly dependsOn: readonly Atom[];
}
/** An index bound once by a `letIndex` statement; exists only after lowering. */
export interface LetAtom extends AtomBase {
  readonly kind: "let";
  readonly name: string;
}

export interface Term {
  readonly coefficient: number;
  /** At least one atom, ascending by id; an atom may repeat (a power). */
  readonly atoms: readonly Atom[];
}

export class Index {
  private text: string | undefined;
  private loads: readonly LoadedAtom[] | undefined;

  constructor(
    readonly constant: number,
    readonly terms: readonly Term[],
    readonly min: number,
    readonly max: number,
  ) {}

  /** Equal for equal forms. */
  get key(): string {
    return this.constant + this.termsKey;
  }

  /** Equal for forms that differ by their constants alone. */
  get termsKey(): string {
    if (this.text === undefined) {
      let text = "";
      for (const { coefficient, atoms } of this.terms) {
        text += `;${coefficient}`;
        for (const atom of atoms) text += `.${atom.id}`;
      }
      this.text = text;
    }
    return this.text;
  }

  /** The loaded atoms mentioned, those inside quotients, remainders and other loaded ones included. */
  get loaded(): readonly LoadedAtom[] {
    if (this.loads === undefined) {
      const loads: LoadedAtom[] = [];
      visitAtoms(this, (atom) => {
        if (atom.kind === "loaded") loads.push(atom);
      });
      this.loads = loads;
    }
    return this.loads;
  }

  /** The value, if it is one. */
  get value(): number | undefined {
    return this.terms.length === 0 ? this.constant : undefined;
  }

  toString(): string {
    return printIndex(this);
  }
}

/** Anything that stands for an index where one is expected. */
export type IndexLike = Index | Atom | number;

let nextId = 1;
let derived = new Map<string, DivAtom | ModAtom | LoadedAtom>();
const symbols = new Map<string, SymbolAtom>();

/** Forgets the interned quotients, remainders and loaded atoms of earlier compiles. */
export function clearIndexArena(): void {
  derived = new Map();
}

/** A fresh loop variable with values in [0, extent). */
export function loopAtom(name: string, extent: IndexLike): LoopAtom {
  const bound = toIndex(extent);
  return { kind: "loop", id: nextId++, name, extent: bound, min: 0, max: Math.max(0, bound.max - 1) };
}

/** The symbolic variable of this name; its bounds are inclusive and fixed by the first use of the name. */
export function symbolAtom(name: string, min: number, max: number): SymbolAtom {
  const known = symbols.get(name);
  if (known !== undefined) {
    if (known.min !== min || known.max !== max) {
      throw new RangeError(
        `variable ${name} has bounds [${known.min}, ${known.max}]; it cannot also have [${min}, ${max}]`,
      );
    }
    return known;
  }
  const atom: SymbolAtom = { kind: "symbol", id: nextId++, name, min, max };
  symbols.set(name, atom);
  return atom;
}

export function letAtom(name: string, min: number, max: number): LetAtom {
  return { kind: "let", id: nextId++, name, min, max };
}

/** An integer expression as an index; its range is what the caller can promise. */
export function loadedAtom(value: Expr, dependsOn: readonly Atom[], min: number, max: number): LoadedAtom {
  const key = `l${value.id};${min};${max}`;
  let atom = derived.get(key) as LoadedAtom | undefined;
  if (atom === undefined) {
    atom = { kind: "loaded", id: nextId++, value, dependsOn, min, max };
    derived.set(key, atom);
  }
  return atom;
}

export function toIndex(x: IndexLike): Index {
  if (x instanceof Index) return x;
  if (typeof x === "number") return makeIndex(x, []);
  return makeIndex(0, [{ coefficient: 1, atoms: [x] }]);
}

/** Interval products that treat 0 * infinity as 0. */
const times = (a: number, b: number): number => (a === 0 || b === 0 ? 0 : a * b);

function makeIndex(constant: number, terms: readonly Term[]): Index {
  let min = constant;
  let max = constant;
  for (const { coefficient, atoms } of terms) {
    let { min: low, max: high } = atoms[0];
    for (let i = 1; i < atoms.length; i++) {
      const { min: least, max: most } = atoms[i];
      const products = [times(low, least), times(low, most), times(high, least), times(high, most)];
      low = Math.min(...products);
      high = Math.max(...products);
    }
    min += times(coefficient, coefficient > 0 ? low : high);
    max += times(coefficient, coefficient > 0 ? high : low);
  }
  if (!Number.isSafeInteger(constant)) throw new RangeError(`index constant ${constant} exceeds 2^53`);
  return new Index(constant === 0 ? 0 : constant, terms, min, max);
}

function compareAtoms(a: readonly Atom[], b: readonly Atom[]): number {
  const shared = Math.min(a.length, b.length);
  for (let i = 0; i < shared; i++) if (a[i].id !== b[i].id) return a[i].id - b[i].id;
  return a.length - b.length;
}

/** Terms in order, equal products merged, zeros dropped. */
function sorted(terms: Term[]): Term[] {
  terms.sort((a, b) => compareAtoms(a.atoms, b.atoms));
  const merged: Term[] = [];
  for (const term of terms) {
    const last = merged[merged.length - 1];
    if (last !== undefined && compareAtoms(last.atoms, term.atoms) === 0) {
      merged[merged.length - 1] = { coefficient: last.coefficient + term.coefficient, atoms: last.atoms };
    } else merged.push(term);
  }
  return merged.filter((term) => term.coefficient !== 0);
}

/** The sum of two lists of terms that are in order. */
function merged(a: readonly Term[], b: readonly Term[]): Term[] {
  const sum: Term[] = [];
  let i = 0;
  let j = 0;
  while (i < a.length && j < b.length) {
    const order = compareAtoms(a[i].atoms, b[j].atoms);
    if (order < 0) sum.push(a[i++]);
    else if (order > 0) sum.push(b[j++]);
    else {
      const coefficient = a[i].coefficient + b[j].coefficient;
      if (coefficient !== 0) sum.push({ coefficient, atoms: a[i].atoms });
      i++;
      j++;
    }
  }
  while (i < a.length) sum.push(a[i++]);
  while (j < b.length) sum.push(b[j++]);
  return sum;
}

/** The canonical form of a constant and terms in any order. */
const normalise = (constant: number, terms: Term[]): Index => joined(constant, sorted(terms));

/** Joins `d*(x/d) + x%d` to `x`; the terms are in order. */
function joined(constant: number, terms: readonly Term[]): Index {
  // d*(x/d) + x%d == x, times any coefficient
  for (const remainder of terms) {
    const mod = remainder.atoms.length === 1 ? remainder.atoms[0] : undefined;
    if (mod?.kind !== "mod" || mod.divisor.value === undefined) continue;
    const wanted = remainder.coefficient * mod.divisor.value;
    const quotient = terms.find(({ coefficient, atoms }) => {
      const div = atoms.length === 1 ? atoms[0] : undefined;
      return (
        div?.kind === "div" &&
        coefficient === wanted &&
        div.divisor.key === mod.divisor.key &&
        div.numerator.key === mod.numerator.key
      );
    });
    if (quotient === undefined) continue;
    const rest = terms.filter((term) => term !== remainder && term !== quotient);
    return addIndex(makeIndex(constant, rest), mulIndex(mod.numerator, remainder.coefficient));
  }
  return makeIndex(constant, terms);
}

export function addIndex(...xs: readonly IndexLike[]): Index {
  let constant = 0;
  let terms: readonly Term[] = [];
  let parts = 0;
  for (const x of xs) {
    if (typeof x === "number") {
      constant += x;
      continue;
    }
    const index = toIndex(x);
    constant += index.constant;
    if (index.terms.length === 0) continue;
    terms = parts === 0 ? index.terms : merged(terms, index.terms);
    parts++;
  }
  return parts < 2 ? makeIndex(constant, terms) : joined(constant, terms);
}

export const negIndex = (x: IndexLike): Index => mulIndex(x, -1);
export const subIndex = (x: IndexLike, y: IndexLike): Index => addIndex(x, negIndex(y));

export function mulIndex(x: IndexLike, y: IndexLike): Index {
  const a = toIndex(x);
  const b = toIndex(y);
  if (a.value !== undefined) return scaled(b, a.value);
  if (b.value !== undefined) return scaled(a, b.value);
  const terms: Term[] = [];
  for (const s of a.terms) {
    if (b.constant !== 0) terms.push({ coefficient: s.coefficient * b.constant, atoms: s.atoms });
    for (const t of b.terms) {
      const atoms = [...s.atoms, ...t.atoms].sort((p, q) => p.id - q.id);
      terms.push({ coefficient: s.coefficient * t.coefficient, atoms });
    }
  }
  if (a.constant !== 0) {
    for (const t of b.terms) terms.push({ coefficient: a.constant * t.coefficient, atoms: t.atoms });
  }
  return normalise(a.constant * b.constant, terms);
}

function scaled(x: Index, factor: number): Index {
  if (factor === 1) return x;
  if (factor === 0) return makeIndex(0, []);
  const terms = x.terms.map(({ coefficient, atoms }) => ({ coefficient: coefficient * factor, atoms }));
  return makeIndex(x.constant * factor, terms);
}

export const sameIndex = (x: IndexLike, y: IndexLike): boolean => toIndex(x).key === toIndex(y).key;

/** Largest common divisor of two non-negative integers; gcd(0, n) = n. */
export function gcd(a: number, b: number): number {
  while (b !== 0) [a, b] = [b, a % b];
  return a;
}

/** x / y if y divides every term exactly, else undefined. */
export function exactDiv(x: IndexLike, y: IndexLike): Index | undefined {
  const a = toIndex(x);
  const b = toIndex(y);
  if (b.value !== undefined) {
    const d = b.value;
    if (d === 0 || a.constant % d !== 0 || a.terms.some((t) => t.coefficient % d !== 0)) return undefined;
    return makeIndex(
      a.constant / d,
      a.terms.map((t) => ({ coefficient: t.coefficient / d, atoms: t.atoms })),
    );
  }
  if (a.key === b.key) return toIndex(1);
  if (b.terms.length !== 1 || b.constant !== 0 || a.constant !== 0) return undefined;
  const [divisor] = b.terms;
  const terms: Term[] = [];
  for (const term of a.terms) {
    const quotient = divideTerm(term, divisor);
    if (quotient === undefined) return undefined;
    terms.push(quotient);
  }
  const constants = terms.filter((t) => t.atoms.length === 0).reduce((sum, t) => sum + t.coefficient, 0);
  return normalise(
    constants,
    terms.filter((t) => t.atoms.length > 0),
  );
}

/** term / divisor where the divisor's atoms and coefficient both divide it; may leave no atoms. */
function divideTerm(term: Term, divisor: Term): Term | undefined {
  if (term.coefficient % divisor.coefficient !== 0) return undefined;
  const atoms = [...term.atoms];
  for (const atom of divisor.atoms) {
    const at = atoms.indexOf(atom);
    if (at < 0) return undefined;
    atoms.splice(at, 1);
  }
  return { coefficient: term.coefficient / divisor.coefficient, atoms };
}

/** Splits x into `quotient * divisor + rest`, moving into the quotient every term that divides exactly. */
function splitByDivisor(x: Index, divisor: Index): { quotient: Index; rest: Index } {
  const d = divisor.value;
  const exact: Term[] = [];
  const rest: Term[] = [];
  let quotientConstant = 0;
  if (d !== undefined) {
    quotientConstant = Math.floor(x.constant / d);
    for (const { coefficient, atoms } of x.terms) {
      const whole = Math.trunc(coefficient / d);
      if (whole !== 0) exact.push({ coefficient: whole, atoms });
      if (coefficient !== whole * d) rest.push({ coefficient: coefficient - whole * d, atoms });
    }
    const quotient = normalise(quotientConstant, exact);
    const left = normalise(x.constant - quotientConstant * d, rest);
    if (left.terms.length === rest.length) return { quotient, rest: left };
    // Smaller coefficients let a quotient and its remainder join to a form that may divide again.
    const again = splitByDivisor(left, divisor);
    return { quotient: addIndex(quotient, again.quotient), rest: again.rest };
  }
  if (divisor.terms.length === 1 && divisor.constant === 0) {
    for (const term of x.terms) {
      const part = divideTerm(term, divisor.terms[0]);
      if (part === undefined) rest.push(term);
      else if (part.atoms.length === 0) quotientConstant += part.coefficient;
      else exact.push(part);
    }
    return { quotient: normalise(quotientConstant, exact), rest: normalise(x.constant, rest) };
  }
  return { quotient: toIndex(0), rest: x };
}

/** True if 0 <= x < bound for every value of the atoms. */
export const isWithin = (x: Index, bound: Index): boolean =>
  isNonNegative(x) && isNonNegative(addIndex(bound, negIndex(x), -1));

/** floor(x / y), y > 0. */
export function divIndex(x: IndexLike, y: IndexLike): Index {
  const numerator = toIndex(x);
  const divisor = toIndex(y);
  if (divisor.value === 1) return numerator;
  if (divisor.max <= 0) throw new RangeError(`index division by ${printIndex(divisor)}`);
  const { quotient, rest } = splitByDivisor(numerator, divisor);
  if (isWithin(rest, divisor)) return quotient;
  const d = divisor.value;
  if (d !== undefined) {
    // A remainder in one whole period, such as [-d, 0): its quotient is that period's number.
    const low = Math.floor(rest.min / d);
    if (low === Math.floor(rest.max / d)) return addIndex(quotient, low);
    // (g*r + c) / (g*e) == (r + c/g) / e
    const g = rest.terms.reduce((sum, t) => gcd(sum, Math.abs(t.coefficient)), d);
    if (g > 1) {
      const reduced = makeIndex(
        Math.floor(rest.constant / g),
        rest.terms.map((t) => ({ coefficient: t.coefficient / g, atoms: t.atoms })),
      );
      return addIndex(quotient, divIndex(reduced, d / g));
    }
    // (g*r + s) / (g*e) == r / e, if 0 <= s < g
    const periods = splitPeriods(rest, d);
    if (periods !== undefined) return addIndex(quotient, divIndex(periods.whole, d / periods.length));
    // (a/b + c) / d == (a + b*c) / (b*d)
    const [only] = rest.terms;
    const inner = rest.terms.length === 1 && only.atoms.length === 1 ? only.atoms[0] : undefined;
    if (inner?.kind === "div" && only.coefficient === 1 && inner.divisor.value !== undefined) {
      const b = inner.divisor.value;
      return addIndex(quotient, divIndex(addIndex(inner.numerator, b * rest.constant), b * d));
    }
  }
  return addIndex(quotient, derivedAtom("div", rest, divisor));
}

/** x - y * floor(x / y), y > 0. */
export function modIndex(x: IndexLike, y: IndexLike): Index {
  const numerator = toIndex(x);
  const divisor = toIndex(y);
  if (divisor.value === 1) return toIndex(0);
  if (divisor.max <= 0) throw new RangeError(`index remainder by ${printIndex(divisor)}`);
  const { rest } = splitByDivisor(numerator, divisor);
  if (isWithin(rest, divisor)) return rest;
  const d = divisor.value;
  if (d !== undefined) {
    const low = Math.floor(rest.min / d);
    if (low === Math.floor(rest.max / d)) return subIndex(rest, low * d);
    // (g*r + c) % (g*e) == g*(r % e) + c, if g divides c
    const g = rest.terms.reduce(
      (sum, t) => gcd(sum, Math.abs(t.coefficient)),
      gcd(d, Math.abs(rest.constant)),
    );
    if (g > 1) return mulIndex(modIndex(exactDiv(rest, g)!, d / g), g);
    // (g*r + s) % (g*e) == g*(r % e) + s, if 0 <= s < g
    const periods = splitPeriods(rest, d);
    if (periods !== undefined) {
      const { whole, length, within } = periods;
      return addIndex(mulIndex(modIndex(whole, d / length), length), within);
    }
    // (a % b + c) % d == (a + c) % d, if d divides b
    const [only] = rest.terms;
    const inner = rest.terms.length === 1 && only.atoms.length === 1 ? only.atoms[0] : undefined;
    if (inner?.kind === "mod" && only.coefficient === 1 && (inner.divisor.value ?? 1) % d === 0) {
      return modIndex(addIndex(inner.numerator, rest.constant), d);
    }
  }
  return toIndex(derivedAtom("mod", rest, divisor));
}

/** x as length*whole + within, with 0 <= within < length, for the longest such length that divides d; if there is one. */
function splitPeriods(x: Index, d: number): { whole: Index; length: number; within: Index } | undefined {
  const lengths = new Set(x.terms.map(({ coefficient }) => gcd(Math.abs(coefficient), d)));
  for (const length of [...lengths].sort((a, b) => b - a)) {
    if (length === 1) return undefined;
    const fits = ({ coefficient }: Term): boolean => coefficient % length === 0;
    const periods = Math.floor(x.constant / length);
    const within = makeIndex(
      x.constant - periods * length,
      x.terms.filter((term) => !fits(term)),
    );
    if (within.min < 0 || within.max >= length) continue;
    const terms = x.terms.filter(fits);
    const whole = terms.map(({ coefficient, atoms }) => ({ coefficient: coefficient / length, atoms }));
    return { whole: makeIndex(periods, whole), length, within };
  }
  return undefined;
}

function derivedAtom(kind: "div" | "mod", numerator: Index, divisor: Index): Atom {
  const key = `${kind}(${numerator.key}|${divisor.key})`;
  const known = derived.get(key);
  if (known !== undefined) return known;
  const min = kind === "mod" ? 0 : quotientBound(numerator.min, divisor, Math.min);
  const max =
    kind === "mod"
      ? numerator.min >= 0
        ? Math.min(numerator.max, divisor.max - 1)
        : divisor.max - 1
      : quotientBound(numerator.max, divisor, Math.max);
  const atom = { kind, id: nextId++, numerator, divisor, min, max } as DivAtom | ModAtom;
  derived.set(key, atom);
  return atom;
}

function quotientBound(numerator: number, divisor: Index, pick: (...xs: number[]) => number): number {
  const low = Math.max(1, divisor.min);
  const high = Math.max(low, divisor.max);
  const far = high === Number.POSITIVE_INFINITY ? (numerator < 0 ? -1 : 0) : Math.floor(numerator / high);
  return pick(Math.floor(numerator / low), far);
}

/**
 * True if x >= 0 is certain. Interval arithmetic first; then loop variables with symbolic extents are replaced by
 * their last value where they count negatively, so that n-1-i >= 0 is proven for i < n.
 */
export function isNonNegative(x: Index): boolean {
  if (x.min >= 0) return true;
  if (x.max < 0) return false;
  for (const { coefficient, atoms } of x.terms) {
    if (coefficient >= 0 || atoms.length !== 1) continue;
    const [atom] = atoms;
    if (atom.kind !== "loop" || atom.extent.value !== undefined) continue;
    const last = addIndex(atom.extent, -1);
    const rest = makeIndex(
      x.constant,
      x.terms.filter((t) => t.atoms !== atoms),
    );
    if (isNonNegative(addIndex(rest, mulIndex(last, coefficient)))) return true;
  }
  return false;
}

/** Replaces atoms; `replace` returns the index to put in place, or undefined to keep the atom. Rebuilds quotients. */
export function substituteIndex(x: Index, replace: (atom: Atom) => IndexLike | undefined): Index {
  const kept: Term[] = [];
  const changed: Index[] = [];
  for (const term of x.terms) {
    const product = substituteTerm(term, replace);
    if (product === undefined) kept.push(term);
    else changed.push(product);
  }
  return changed.length === 0 ? x : addIndex(makeIndex(x.constant, kept), ...changed);
}

/** Undefined if nothing in the term is replaced. */
function substituteTerm(
  { coefficient, atoms }: Term,
  replace: (atom: Atom) => IndexLike | undefined,
): Index | undefined {
  let product: Index | undefined;
  for (let i = 0; i < atoms.length; i++) {
    const replaced = substituteAtom(atoms[i], replace);
    if (product === undefined && replaced !== atoms[i]) {
      const before = atoms.slice(0, i);
      product = before.length === 0 ? toIndex(coefficient) : makeIndex(0, [{ coefficient, atoms: before }]);
    }
    if (product !== undefined) product = mulIndex(product, replaced);
  }
  return product;
}

function substituteAtom(atom: Atom, replace: (atom: Atom) => IndexLike | undefined): IndexLike {
  const direct = replace(atom);
  if (direct !== undefined) return direct;
  if (atom.kind !== "div" && atom.kind !== "mod") return atom;
  const numerator = substituteIndex(atom.numerator, replace);
  const divisor = substituteIndex(atom.divisor, replace);
  if (numerator === atom.numerator && divisor === atom.divisor) return atom;
  return atom.kind === "div" ? divIndex(numerator, divisor) : modIndex(numerator, divisor);
}

/** Visits every atom of x, those inside quotients and remainders included, each occurrence once. */
export function visitAtoms(x: Index, visit: (atom: Atom) => void): void {
  for (const { atoms } of x.terms) {
    for (const atom of atoms) {
      visit(atom);
      if (atom.kind === "div" || atom.kind === "mod") {
        visitAtoms(atom.numerator, visit);
        visitAtoms(atom.divisor, visit);
      } else if (atom.kind === "loaded") atom.dependsOn.forEach(visit);
    }
  }
}

export function mentions(x: Index, wanted: Atom): boolean {
  for (const { atoms } of x.terms) {
    for (const atom of atoms) if (atom === wanted || atomMentions(atom, wanted)) return true;
  }
  return false;
}

/** Coefficient of `atom` where x is linear in it (0 if absent), or undefined where it is not. */
export function strideOf(x: Index, atom: Atom): number | undefined {
  let stride = 0;
  for (const { coefficient, atoms } of x.terms) {
    if (atoms.length === 1 && atoms[0] === atom) stride += coefficient;
    else if (atoms.some((a) => a === atom || atomMentions(a, atom))) return undefined;
  }
  return stride;
}

const isDerived = (atom: Atom): atom is DivAtom | ModAtom => atom.kind === "div" || atom.kind === "mod";
function atomMentions(atom: Atom, wanted: Atom): boolean {
  if (atom.kind === "loaded") return atom.dependsOn.includes(wanted);
  return isDerived(atom) && (mentions(atom.numerator, wanted) || mentions(atom.divisor, wanted));
}

/** Value of x given each free atom's value; quotients and remainders are computed. */
export function evaluateIndex(
  x: Index,
  atomValue: (atom: LoopAtom | SymbolAtom | LoadedAtom | LetAtom) => number,
): number {
  let sum = x.constant;
  for (const { coefficient, atoms } of x.terms) {
    let product = coefficient;
    for (const atom of atoms) product *= evaluateAtom(atom, atomValue);
    sum += product;
  }
  return sum;
}

function evaluateAtom(
  atom: Atom,
  atomValue: (atom: LoopAtom | SymbolAtom | LoadedAtom | LetAtom) => number,
): number {
  if (!isDerived(atom)) return atomValue(atom);
  const numerator = evaluateIndex(atom.numerator, atomValue);
  const divisor = evaluateIndex(atom.divisor, atomValue);
  const quotient = Math.floor(numerator / divisor);
  return atom.kind === "div" ? quotient : numerator - divisor * quotient;
}

export function printIndex(x: Index): string {
  const parts: string[] = [];
  for (const { coefficient, atoms } of x.terms) {
    const product = atoms.map(printAtom).join("*");
    const size = Math.abs(coefficient) === 1 ? product : `${product}*${Math.abs(coefficient)}`;
    parts.push(
      parts.length === 0 ? (coefficient < 0 ? `-${size}` : size) : `${coefficient < 0 ? "-" : "+"} ${size}`,
    );
  }
  if (parts.length === 0) return String(x.constant);
  if (x.constant !== 0) parts.push(`${x.constant < 0 ? "-" : "+"} ${Math.abs(x.constant)}`);
  return parts.join(" ");
}

export function printAtom(atom: Atom): string {
  switch (atom.kind) {
    case "loop":
    case "symbol":
    case "let":
      return atom.name;
    case "loaded":
      return `[%${atom.value.id}]`;
    case "div":
      return `((${printIndex(atom.numerator)}) / ${printDivisor(atom.divisor)})`;
    case "mod":
      return `((${printIndex(atom.numerator)}) % ${printDivisor(atom.divisor)})`;
  }
}

const printDivisor = (d: Index): string => (d.value !== undefined ? String(d.value) : `(${printIndex(d)})`);
