// Statistics: quantiles, counts, moments, and reductions that skip NaN.

import { Sorting } from "./sorting.js";

export abstract class Statistics extends Sorting {}
