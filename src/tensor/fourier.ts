// Discrete Fourier transforms, with complex numbers as pairs along a last axis of 2.

import { Factorisation } from "./factorisation.js";

export abstract class Fourier extends Factorisation {}
