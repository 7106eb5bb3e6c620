// Gradients as functions: of any order, of anything made of tensor operations.

import { grad, Tensor } from "brisc";

const cube = (x: Tensor) => x.pow(3).sum();
const slope = grad(cube);
const curvature = grad((x: Tensor) => slope(x).sum());

const x = Tensor.from([1, 2, 3]);
console.log("x^3  ", await x.pow(3).data());
console.log("3 x^2", await slope(x).data());
console.log("6 x  ", await curvature(x).data());
