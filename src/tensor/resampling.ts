// Images at other places: interpolation, grids, rearranged pixels.

import { Pooling } from "./pooling.js";

export abstract class Resampling extends Pooling {}
