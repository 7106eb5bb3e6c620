// Running results along an axis: sums, products, extremes of all elements so far.

import { Reduction } from "./reduction.js";

export abstract class Scan extends Reduction {}
