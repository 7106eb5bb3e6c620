// ai.onnx.ml: ensembles of decision trees. All trees and all rows go down a level at a time: the node where each stands is
// data, by which its feature, its threshold and its children are gathered.

import { Tensor } from "../../tensor/tensor.js";
import type { Call, ControlOperator, Operators, Request, Result } from "../operator.js";
import type { Value } from "../value.js";
import { classesOf, labelled, postTransformed } from "./features.js";

const MODES = [
  "BRANCH_LEQ",
  "BRANCH_LT",
  "BRANCH_GTE",
  "BRANCH_GT",
  "BRANCH_EQ",
  "BRANCH_NEQ",
  "BRANCH_MEMBER",
];
const MEMBER = 6;

interface TreeNode {
  readonly feature: number;
  readonly split: number;
  /** A place in MODES. */
  readonly mode: number;
  readonly missingIsTrue: boolean;
  /** Numbers of nodes; a leaf's are its own. */
  yes: number;
  no: number;
  /** Of a leaf: what it adds to which target. */
  readonly weights: (readonly [target: number, weight: number])[];
  readonly members: readonly number[];
}

interface Forest {
  readonly nodes: readonly TreeNode[];
  readonly roots: readonly number[];
  readonly targets: number;
}

const leaf = (weights: TreeNode["weights"], self: number): TreeNode => ({
  feature: 0,
  split: 0,
  mode: 0,
  missingIsTrue: false,
  yes: self,
  no: self,
  weights,
  members: [],
});

/** The trees of TreeEnsemble, whose leaves stand in lists of their own. */
function forestOf(call: Call): Forest {
  const numbers = (name: string): number[] => {
    const value = call.tensorAttribute(name);
    return value?.kind === "tensor" ? Array.from(call.elements(value) as ArrayLike<number>, Number) : [];
  };
  const ints = (name: string): number[] => call.ints(name) ?? call.fail(`it needs the attribute ${name}`);
  const [features, splits, modes] = [
    ints("nodes_featureids"),
    numbers("nodes_splits"),
    numbers("nodes_modes"),
  ];
  const missing = call.ints("nodes_missing_value_tracks_true") ?? [];
  const inner = features.length;
  // Sets of members stand one after the other, a NaN behind each.
  const sets: number[][] = [[]];
  for (const x of numbers("membership_values")) {
    if (Number.isNaN(x)) sets.push([]);
    else sets[sets.length - 1].push(x);
  }
  const child = (ids: number[], leaves: number[], i: number): number =>
    leaves[i] !== 0 ? inner + ids[i] : ids[i];
  const [yes, no] = [ints("nodes_truenodeids"), ints("nodes_falsenodeids")];
  const [yesLeaf, noLeaf] = [ints("nodes_trueleafs"), ints("nodes_falseleafs")];
  const nodes = features.map(
    (feature, i): TreeNode => ({
      feature,
      split: splits[i],
      mode: modes[i],
      missingIsTrue: (missing[i] ?? 0) !== 0,
      yes: child(yes, yesLeaf, i),
      no: child(no, noLeaf, i),
      weights: [],
      members: modes[i] === MEMBER ? sets.shift()! : [],
    }),
  );
  const [targets, weights] = [ints("leaf_targetids"), numbers("leaf_weights")];
  targets.forEach((target, i) => {
    nodes.push(leaf([[target, weights[i]]], inner + i));
  });
  return { nodes, roots: ints("tree_roots"), targets: call.int("n_targets", 1) };
}

/** The trees of the older operators, whose nodes are named by tree and number; `kind` is target or class. */
function namedForestOf(call: Call, kind: "target" | "class", targets: number): Forest {
  const ints = (name: string): number[] => call.ints(name) ?? call.fail(`it needs the attribute ${name}`);
  const [trees, ids] = [ints("nodes_treeids"), ints("nodes_nodeids")];
  const place = new Map(trees.map((tree, i) => [`${tree}/${ids[i]}`, i]));
  const at = (tree: number, id: number): number =>
    place.get(`${tree}/${id}`) ?? call.fail(`tree ${tree} has no node ${id}`);
  const numbers = (name: string): number[] => {
    const floats = call.floats(name);
    if (floats !== undefined && floats.length > 0) return floats;
    const value = call.tensorAttribute(`${name}_as_tensor`);
    return value?.kind === "tensor" ? Array.from(call.elements(value) as ArrayLike<number>, Number) : [];
  };
  const modes = call.texts("nodes_modes") ?? call.fail("it needs the attribute nodes_modes");
  const [features, splits] = [ints("nodes_featureids"), numbers("nodes_values")];
  const [yes, no] = [ints("nodes_truenodeids"), ints("nodes_falsenodeids")];
  const missing = call.ints("nodes_missing_value_tracks_true") ?? [];
  const nodes = trees.map((tree, i): TreeNode => {
    if (modes[i] === "LEAF") return leaf([], i);
    const mode = MODES.indexOf(modes[i]);
    if (mode < 0) call.fail(`there is no mode "${modes[i]}"`);
    return {
      feature: features[i],
      split: splits[i],
      mode,
      missingIsTrue: (missing[i] ?? 0) !== 0,
      yes: at(tree, yes[i]),
      no: at(tree, no[i]),
      weights: [],
      members: [],
    };
  });
  const weights = numbers(`${kind}_weights`);
  const [ofTrees, ofNodes] = [ints(`${kind}_treeids`), ints(`${kind}_nodeids`)];
  ints(`${kind}_ids`).forEach((target, i) => {
    nodes[at(ofTrees[i], ofNodes[i])].weights.push([target, weights[i]]);
  });
  const children = new Set(nodes.flatMap(({ yes, no }, i) => [yes, no].filter((child) => child !== i)));
  const roots = nodes.map((_, i) => i).filter((i) => !children.has(i));
  const rooted = new Set(roots.map((i) => trees[i]));
  const rootless = trees.find((tree) => !rooted.has(tree));
  if (rootless !== undefined) call.fail(`tree ${rootless} has no root: its nodes have no end`);
  return { nodes, roots, targets };
}

/** The longest way from a root to a leaf; an error for nodes that lead back to themselves. */
function depthOf(call: Call, { nodes, roots }: Forest): number {
  let level = new Set(roots);
  for (let depth = 0; depth <= nodes.length; depth++) {
    const next = new Set<number>();
    for (const i of level) {
      const { yes, no } = nodes[i] ?? call.fail(`there is no node ${i}`);
      if (yes !== i || no !== i) next.add(yes).add(no);
    }
    if (next.size === 0) return depth;
    level = next;
  }
  return call.fail("its trees have no end");
}

/** What each tree's leaf adds to each target, for each row: [rows, trees, targets]. */
function leaves(call: Call, forest: Forest, x: Tensor): Tensor {
  const { nodes, roots, targets } = forest;
  const table = (of: (node: TreeNode) => number): Tensor => Tensor.from(Int32Array.from(nodes, of));
  const at = (list: Tensor, place: Tensor): Tensor => list.indexSelect(0, place.ravel()).reshape(place.shape);
  const wide = x.dtype === "float64" ? "float64" : "float32";
  const features = x.cast(wide);
  const splits = Tensor.from(Float64Array.from(nodes, ({ split }) => split)).cast(wide);
  const modes = table(({ mode }) => mode);
  const missing = table(({ missingIsTrue }) => (missingIsTrue ? 1 : 0));
  const [feature, yes, no] = [table((n) => n.feature), table((n) => n.yes), table((n) => n.no)];
  const used = [...new Set(nodes.map(({ mode }) => mode))];
  const widest = Math.max(0, ...nodes.map(({ members }) => members.length));
  const members = nodes.flatMap((node) =>
    Array.from({ length: widest }, (_, k) => node.members[k] ?? Number.NaN),
  );
  const sets =
    widest === 0
      ? undefined
      : Tensor.from(Float64Array.from(members), { shape: [nodes.length, widest] }).cast(wide);
  const rows = x.sizeAt(0);
  let place = Tensor.from(Int32Array.from(roots)).expand([rows, roots.length]);
  for (let level = depthOf(call, forest); level > 0; level--) {
    const value = features.gather(1, at(feature, place));
    const split = at(splits, place);
    const mode = used.length > 1 ? at(modes, place) : undefined;
    const answers = used.map((m): Tensor => {
      if (m === MEMBER) {
        const own = sets!.indexSelect(0, place.ravel()).reshape([...place.shape, widest]);
        return own.eq(value.unsqueeze(-1)).any(-1);
      }
      return [
        value.le(split),
        value.lt(split),
        value.ge(split),
        value.gt(split),
        value.eq(split),
        value.ne(split),
      ][m];
    });
    const answer = answers.reduce((other, one, i) => mode!.eq(used[i]).where(one, other));
    const decided = value.isnan().where(at(missing, place).ne(0).logicalOr(answer), answer);
    // Each level is stored, so that the next does not go down all levels again.
    place = decided.where(at(yes, place), at(no, place)).contiguous();
  }
  const weights = new Float64Array(nodes.length * targets);
  nodes.forEach((node, i) => {
    for (const [target, weight] of node.weights) weights[i * targets + target] += weight;
  });
  const ofLeaf = Tensor.from(weights, { shape: [nodes.length, targets] }).cast(wide);
  return ofLeaf.indexSelect(0, place.ravel()).reshape([rows, roots.length, targets]);
}

const AGGREGATES = ["AVERAGE", "SUM", "MIN", "MAX"];

function aggregated(call: Call, each: Tensor, name: string): Tensor {
  if (name === "SUM") return each.sum(1);
  if (name === "AVERAGE") return each.sum(1).div(each.sizeAt(1));
  if (name === "MIN") return each.min(1);
  return name === "MAX" ? each.max(1) : call.fail(`there is no aggregate_function "${name}"`);
}

const POST = ["NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO", "PROBIT"];

function treeEnsemble(call: Call): Tensor {
  const x = call.tensor(0);
  const sums = aggregated(
    call,
    leaves(call, forestOf(call), x),
    AGGREGATES[call.int("aggregate_function", 1)],
  );
  return postTransformed(call, sums, POST[call.int("post_transform", 0)]).cast(x.dtype);
}

function baseValues(call: Call): Tensor | undefined {
  const floats = call.floats("base_values");
  if (floats !== undefined && floats.length > 0) return Tensor.from(Float32Array.from(floats));
  const value = call.tensorAttribute("base_values_as_tensor");
  return value?.kind === "tensor" ? value.tensor : undefined;
}

function treeRegressor(call: Call): Tensor {
  const forest = namedForestOf(call, "target", call.int("n_targets", 1));
  const sums = aggregated(call, leaves(call, forest, call.tensor(0)), call.text("aggregate_function", "SUM"));
  const base = baseValues(call);
  const scores = base === undefined ? sums : sums.add(base.cast(sums.dtype));
  return postTransformed(call, scores, call.text("post_transform", "NONE")).cast("float32");
}

/** The class of the largest score, and all scores. Trees that score one of two classes only score the other by what is left. */
function* treeClassifier(call: Call): Generator<Request, readonly Result[], readonly Value[]> {
  const { classes, strings } = classesOf(call, "classlabels_int64s");
  const forest = namedForestOf(call, "class", classes.length);
  const scored = new Set(forest.nodes.flatMap(({ weights }) => weights.map(([target]) => target)));
  const sums = leaves(call, forest, call.tensor(0)).sum(1);
  const base = baseValues(call);
  const post = call.text("post_transform", "NONE");
  if (classes.length === 2 && scored.size === 1) {
    const [only] = scored;
    const own = sums.narrow(1, only, 1);
    const score = base === undefined ? own : own.add(base.cast(own.dtype).narrow(0, base.sizeAt(0) - 1, 1));
    const probabilities = forest.nodes.every(({ weights }) => weights.every(([, weight]) => weight >= 0));
    const best = score.select(1, 0).gt(probabilities ? 0.5 : 0);
    const pair =
      post === "NONE" && probabilities
        ? Tensor.concat([score.rsub(1), score], 1)
        : Tensor.concat([score.neg(), score], 1);
    const labels = yield* labelled(call, best.cast("int64"), classes, strings);
    return [labels, postTransformed(call, pair, post).cast("float32")];
  }
  const scores = base === undefined ? sums : sums.add(base.cast(sums.dtype));
  const labels = yield* labelled(call, scores.argmax(1).cast("int64"), classes, strings);
  return [labels, postTransformed(call, scores, post).cast("float32")];
}

export const trees: Operators = { TreeEnsemble: treeEnsemble, TreeEnsembleRegressor: treeRegressor };

export const treeClassifiers: Readonly<Record<string, ControlOperator>> = {
  TreeEnsembleClassifier: treeClassifier,
};
