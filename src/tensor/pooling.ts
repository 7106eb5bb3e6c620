// Pools: the largest, mean or norm of windows.

import { Convolution } from "./convolution.js";

export abstract class Pooling extends Convolution {}
