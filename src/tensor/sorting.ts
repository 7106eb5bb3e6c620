// Order: sorting, ranks, searching in what is sorted.

import { Scan } from "./scan.js";

export abstract class Sorting extends Scan {}
