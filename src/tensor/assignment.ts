// Writing to places: scatters, fills, and items set.

import { Indexing } from "./indexing.js";

export abstract class Assignment extends Indexing {}
