// Arrangements of elements made of movements: tiling, turning, stacking, splitting, borders.

import { Movement } from "./movement.js";

export abstract class Arrangement extends Movement {}
