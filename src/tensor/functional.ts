// Functional gradients: functions of tensors become functions that give their gradients, any number of times over.
//
// Arguments and results may be containers (arrays and plain objects, nested) of float tensors. Forward mode is reverse
// mode twice: the pullback is linear in what it pulls back, and the pullback of that is the pushforward. So each
// primitive needs one rule, gradients in closed form are followed as well, and since graphs are lazy the value of the
// pullback itself is never computed.

import { constNode, identity, type Node, sameShape } from "../graph/node.js";
import { isFloat } from "../scalar/dtype.js";
import { mapLeaves } from "./containers.js";
import { TensorError } from "./core.js";
import { gradientsOf } from "./gradient.js";
import { Tensor } from "./tensor.js";

export const isFloatTensor = (x: unknown): x is Tensor => x instanceof Tensor && isFloat(x.dtype);

/** A container whose float tensors were replaced by stand-ins, up to which gradients are wanted. */
interface Lifted<T> {
  readonly given: T;
  /** The stand-ins' nodes, in the container's order. */
  readonly nodes: readonly Node[];
}

/** Stand-ins have the tensors' values; gradients of outer functions go on through them. */
function lift<T>(container: T, operation: string, what: string): Lifted<T> {
  const nodes: Node[] = [];
  const given = mapLeaves(container, (leaf) => {
    if (!isFloatTensor(leaf)) return leaf;
    const node = identity(leaf.node);
    node.differentiable = true;
    nodes.push(node);
    return Tensor.ofNode(node);
  }) as T;
  if (nodes.length === 0)
    throw new TensorError(`${operation}: ${what} must be a float tensor or hold one, got ${container}`);
  return { given, nodes };
}

const zeros = (like: Node): Node => constNode(0, like.dtype, like.shape);

/** The container with a gradient in place of each float tensor, nothing in place of other leaves. */
function gradientsLike<T>(container: T, nodes: readonly Node[], found: ReadonlyMap<Node, Node>): T {
  let next = 0;
  return mapLeaves(container, (leaf) => {
    if (!isFloatTensor(leaf)) return undefined;
    const node = nodes[next++];
    return Tensor.ofNode(found.get(node) ?? zeros(node));
  }) as T;
}

/** The float tensors of a container. */
export function floatsOf(container: unknown): Tensor[] {
  const found: Tensor[] = [];
  mapLeaves(container, (leaf) => {
    if (isFloatTensor(leaf)) found.push(leaf);
    return leaf;
  });
  return found;
}

/** For each float tensor of `container` the node beside it in `beside`, of its shape and dtype; undefined is zero. */
function nodesBeside(container: unknown, beside: unknown, operation: string, what: string): Node[] {
  const nodes: Node[] = [];
  const visit = (leaf: unknown, other: unknown): void => {
    if (!isFloatTensor(leaf)) return;
    if (other === undefined) nodes.push(zeros(leaf.node));
    else if (other instanceof Tensor && other.dtype === leaf.dtype && sameShape(other.shape, leaf.shape))
      nodes.push(other.node);
    else
      throw new TensorError(`${operation}: ${what} of ${leaf} must have its shape and dtype, got ${other}`);
  };
  mapLeaves(container, visit, beside);
  return nodes;
}

/** What is differentiated with respect to: the number of an argument, or a list of such numbers. */
export type Places = number | readonly number[];

/** A gradient of the argument's own type, or one for each place of a list. */
export type GradientAt<A extends readonly unknown[], P extends Places> = P extends number
  ? A[P]
  : { -readonly [K in keyof P]: P[K] extends number ? A[P[K]] : never };

/** That the function gives more beside its value: [value, more]. */
export interface WithMore {
  readonly hasAux: true;
}

function scalarNodeOf(value: unknown): Node {
  if (isFloatTensor(value) && value.size === 1) return value.node;
  throw new TensorError(
    `grad: the function must give a float tensor of one element, got ${value}; ` +
      "reduce it (sum, mean), or use vjp or jacobian",
  );
}

/**
 * The function that gives the value of `fn` and its gradient with respect to argument `places` (default 0; with a list
 * of places a list of gradients). `fn` must give a float tensor of one element; with `hasAux` also more, and the
 * function gives [[value, more], gradient]. Arguments may be containers; gradients are containers alike, in which
 * leaves that are no float tensors are undefined.
 *
 * @example
 * const [value, gradient] = valueAndGrad((x: Tensor) => x.square().sum())(Tensor.from([1, 2]));
 * value; // => 5
 * gradient; // => [2, 4]
 */
export function valueAndGrad<A extends readonly unknown[]>(
  fn: (...args: A) => Tensor,
): (...args: A) => [Tensor, A[0]];
export function valueAndGrad<A extends readonly unknown[], const P extends Places>(
  fn: (...args: A) => Tensor,
  places: P,
): (...args: A) => [Tensor, GradientAt<A, P>];
export function valueAndGrad<A extends readonly unknown[], M, const P extends Places>(
  fn: (...args: A) => readonly [Tensor, M],
  places: P,
  options: WithMore,
): (...args: A) => [[Tensor, M], GradientAt<A, P>];
export function valueAndGrad<A extends readonly unknown[]>(
  fn: (...args: A) => Tensor | readonly [Tensor, unknown],
  places?: Places,
  options?: { readonly hasAux?: boolean },
): (...args: A) => [unknown, unknown] {
  return differentiated(fn, places, options);
}

function differentiated<A extends readonly unknown[]>(
  fn: (...args: A) => Tensor | readonly [Tensor, unknown],
  places: Places = 0,
  { hasAux = false }: { readonly hasAux?: boolean } = {},
): (...args: A) => [unknown, unknown] {
  const list = typeof places === "number" ? [places] : places;
  return (...args: A) => {
    const lifted = new Map(list.map((place) => [place, lift(args[place], "grad", `argument ${place}`)]));
    const given = args.map((arg, place) => lifted.get(place)?.given ?? arg) as unknown as A;
    const result = fn(...given);
    const output = scalarNodeOf(hasAux ? (result as readonly [Tensor, unknown])[0] : result);
    const wanted = new Set([...lifted.values()].flatMap(({ nodes }) => nodes));
    const seed = constNode(1, output.dtype, output.shape);
    const found = gradientsOf([[output, seed]], (x) => wanted.has(x));
    const gradients = list.map((place) => gradientsLike(args[place], lifted.get(place)!.nodes, found));
    return [result, typeof places === "number" ? gradients[0] : gradients];
  };
}

/**
 * The function that gives the gradient of `fn`, with `hasAux` [gradient, more]; see valueAndGrad.
 *
 * @example
 * const slope = grad((x: Tensor, y: Tensor) => x.mul(y).sum(), [0, 1]);
 * const [dx, dy] = slope(Tensor.from([1.5, 2]), Tensor.from([3.5, 4]));
 * dx; // => [3.5, 4]
 * grad((w: { a: Tensor }) => w.a.square().sum())({ a: Tensor.from([1.5]) }).a; // => [3]
 * grad(grad((x: Tensor) => x.pow(3).sum()) as (x: Tensor) => Tensor)(Tensor.from([2.0])); // => [12]
 */
export function grad<A extends readonly unknown[]>(fn: (...args: A) => Tensor): (...args: A) => A[0];
export function grad<A extends readonly unknown[], const P extends Places>(
  fn: (...args: A) => Tensor,
  places: P,
): (...args: A) => GradientAt<A, P>;
export function grad<A extends readonly unknown[], M, const P extends Places>(
  fn: (...args: A) => readonly [Tensor, M],
  places: P,
  options: WithMore,
): (...args: A) => [GradientAt<A, P>, M];
export function grad<A extends readonly unknown[]>(
  fn: (...args: A) => Tensor | readonly [Tensor, unknown],
  places: Places = 0,
  options?: { readonly hasAux?: boolean },
): (...args: A) => unknown {
  const both = differentiated(fn, places, options);
  return (...args: A) => {
    const [result, gradient] = both(...args);
    return options?.hasAux === true ? [gradient, (result as [Tensor, unknown])[1]] : gradient;
  };
}

/**
 * Gradients of an output with respect to tensors that it was computed from and that require gradients: a container of
 * them, say a model's parameters. Nothing is added to `grad`. With `seed`, of its shape, the output need not be a scalar.
 *
 * @example
 * const weights = Tensor.from([1, 2]).requiresGrad_();
 * gradientsFor(weights.square().sum(), weights); // => [2, 4]
 */
export function gradientsFor<T>(output: Tensor, inputs: T, seed?: Tensor): T {
  const node = seed === undefined ? scalarNodeOf(output) : output.node;
  const [start] =
    seed === undefined
      ? [constNode(1, node.dtype, node.shape)]
      : nodesBeside(output, seed, "gradientsFor", "the seed");
  const tensors = floatsOf(inputs);
  const stray = tensors.find((x) => !x.node.differentiable);
  if (stray !== undefined) throw new TensorError(`gradientsFor: ${stray} requires no gradient`);
  const nodes = tensors.map((x) => x.node);
  const wanted = new Set(nodes);
  const found = gradientsOf([[node, start]], (x) => wanted.has(x));
  return gradientsLike(inputs, nodes, found);
}

/**
 * [fn(...primals), pullback]. The pullback takes gradients of the result (a container like it; what is undefined is
 * zero) to gradients of the primals, a list of containers like them.
 *
 * @example
 * const [y, pullback] = vjp((x: Tensor) => x.square(), Tensor.from([1.5, 2]));
 * pullback(Tensor.from([1, 10]))[0]; // => [3, 40]
 */
export function vjp<A extends readonly unknown[], R>(
  fn: (...args: A) => R,
  ...primals: A
): [result: R, pullback: (gradients: R) => A] {
  const { given, nodes } = lift([...primals], "vjp", "the primals");
  const result = fn(...(given as unknown as A));
  const wanted = new Set(nodes);
  const pullback = (gradients: R): A => {
    const seeds = nodesBeside(result, gradients, "vjp", "the gradient");
    const outputs = floatsOf(result).map((output, i) => [output.node, seeds[i]] as const);
    const found = gradientsOf(outputs, (x) => wanted.has(x));
    return gradientsLike([...primals], nodes, found) as unknown as A;
  };
  return [result, pullback];
}

/**
 * The result of `fn` and the linear map from tangents of its arguments to tangents of the result.
 *
 * @example
 * const [y, derivative] = linearize((x: Tensor) => x.square(), [Tensor.from([1.5, 2])]);
 * derivative([Tensor.from([0, 1])]); // => [0, 4]
 */
export function linearize<A extends readonly unknown[], R>(
  fn: (...args: A) => R,
  primals: A,
): [result: R, pushforward: (tangents: A) => R] {
  const { given, nodes } = lift([...primals], "jvp", "the primals");
  const result = fn(...(given as unknown as A));
  const outputs = floatsOf(result);
  // The pullback of unknowns; it is linear in them, so that their values do not matter.
  const unknowns = outputs.map(({ node }) => {
    const unknown = identity(zeros(node));
    unknown.differentiable = true;
    return unknown;
  });
  const wanted = new Set(nodes);
  const pulled = gradientsOf(
    outputs.map(({ node }, i) => [node, unknowns[i]] as const),
    (x) => wanted.has(x),
  );
  const pushforward = (tangents: A): R => {
    const seeds = nodesBeside([...primals], [...tangents], "jvp", "the tangent");
    const pairs = nodes.flatMap((node, i) => {
      const back = pulled.get(node);
      return back === undefined ? [] : [[back, seeds[i]] as const];
    });
    const found = gradientsOf(pairs, (x) => unknowns.includes(x));
    return gradientsLike(result, unknowns, found);
  };
  return [result, pushforward];
}

/**
 * fn(...primals) and the tangents of the result: the derivative in the direction of the tangents, which are containers like
 * the primals; what is undefined is zero.
 *
 * @example
 * const [y, tangent] = jvp((x: Tensor) => x.square(), [Tensor.from([1.5, 2])], [Tensor.from([1, 0])]);
 * tangent; // => [3, 0]
 */
export function jvp<A extends readonly unknown[], R>(
  fn: (...args: A) => R,
  primals: A,
  tangents: A,
): [result: R, tangents: R] {
  const [result, pushforward] = linearize(fn, primals);
  return [result, pushforward(tangents)];
}

/**
 * The product of the Hessian of a scalar function with vectors like its arguments, without the Hessian.
 *
 * @example
 * const x = Tensor.from([1.5, 2]);
 * hvp((x: Tensor) => x.pow(3).sum(), [x], [Tensor.from([1, 0])])[0]; // => [9, 0]
 */
export function hvp<A extends readonly unknown[]>(fn: (...args: A) => Tensor, primals: A, vectors: A): A {
  const places = primals.flatMap((x, place) => (floatsOf(x).length > 0 ? [place] : []));
  const gradients = grad(fn, places) as unknown as (...args: A) => unknown[];
  const products = jvp(gradients, primals, vectors)[1];
  return primals.map((_, place) => products[places.indexOf(place)]) as unknown as A;
}
