// Factorisations of matrices, and what is solved with them.

import { Products } from "./products.js";

export abstract class Factorisation extends Products {}
