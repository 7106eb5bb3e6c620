// All operators by domain and name.

import type { AnyOperator, Operators } from "../operator.js";
import { activations, microsoftActivations } from "./activations.js";
import { arithmetic } from "./arithmetic.js";
import { attentions } from "./attention.js";
import { conversions } from "./cast.js";
import { constants } from "./constants.js";
import { control } from "./control.js";
import { convolutions } from "./convolutions.js";
import { deformables } from "./deformable.js";
import { flexible } from "./flexible-attention.js";
import { classifiers, features } from "./features.js";
import { functions } from "./functions.js";
import { indexing } from "./indexing.js";
import { integerProducts } from "./integer-products.js";
import { linearAttentions } from "./linear-attention.js";
import { logic } from "./logic.js";
import { losses } from "./losses.js";
import { microsoftAttentions } from "./microsoft-attention.js";
import { microsoftNorms } from "./microsoft-norms.js";
import { microsoftProducts } from "./microsoft-products.js";
import { microsoftQuantised } from "./microsoft-quantised.js";
import { movement } from "./movement.js";
import { norms } from "./norms.js";
import { gradients, optimisers } from "./optimisers.js";
import { parts } from "./parts.js";
import { places } from "./places.js";
import { pools } from "./pools.js";
import { products } from "./products.js";
import { recurrent } from "./recurrent.js";
import { quantisation } from "./quantisation.js";
import { microsoftRandom, random } from "./random.js";
import { reductions } from "./reductions.js";
import { regions } from "./regions.js";
import { resizing } from "./resize.js";
import { scans } from "./scans.js";
import { sequences } from "./sequences.js";
import { signals } from "./signals.js";
import { strings } from "./strings.js";
import { treeClassifiers, trees } from "./trees.js";

const all = new Map<string, AnyOperator>();

function add(domain: string, family: Operators, facts: Omit<AnyOperator, "run"> = {}): void {
  for (const [name, run] of Object.entries(family)) all.set(`${domain}:${name}`, { run, ...facts });
}

for (const family of [
  arithmetic,
  functions,
  logic,
  activations,
  reductions,
  scans,
  conversions,
  quantisation,
  integerProducts,
  constants,
  movement,
  parts,
  indexing,
  places,
  products,
  convolutions,
  deformables,
  pools,
  norms,
  recurrent,
  attentions,
  linearAttentions,
  losses,
  sequences,
  signals,
  strings,
  resizing,
  regions,
])
  add("", family);
for (const family of [
  microsoftActivations,
  microsoftProducts,
  microsoftNorms,
  microsoftAttentions,
  linearAttentions,
  microsoftQuantised,
])
  add("com.microsoft", family);
add("", random, { random: true });
add("com.microsoft", microsoftRandom, { random: true });
add("ai.onnx.preview.training", optimisers);
for (const family of [features, trees]) add("ai.onnx.ml", family);
for (const [name, run] of Object.entries({ ...classifiers, ...treeClassifiers }))
  all.set(`ai.onnx.ml:${name}`, { control: run });
for (const [name, run] of Object.entries(control)) all.set(`:${name}`, { control: run });
for (const [name, operator] of Object.entries(gradients))
  all.set(`ai.onnx.preview.training:${name}`, operator);
for (const [name, run] of Object.entries(flexible)) all.set(`ai.onnx.preview:${name}`, { control: run });

export const findOperator = (domain: string, name: string): AnyOperator | undefined =>
  all.get(`${domain}:${name}`);
