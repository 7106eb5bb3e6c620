// Products of tensors: Einstein sums and what is made of them.

import { Linear } from "./linear.js";

export abstract class Products extends Linear {}
