// Functions of one or two numbers beyond arithmetic: inverse trigonometric and hyperbolic functions, special functions.

import { Elementwise } from "./elementwise.js";

export abstract class Functions extends Elementwise {}
