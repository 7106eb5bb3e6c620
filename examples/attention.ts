// Attention from its parts, compared with the built-in one: both are compositions of the same primitives.

import { manualSeed, Tensor } from "brisc";

manualSeed(0);
const [heads, length, width] = [4, 16, 32];
const [q, k, v] = [0, 1, 2].map(() => Tensor.randn([heads, length, width]));

const scores = q.matmul(k.transpose(-1, -2)).div(Math.sqrt(width));
const future = Tensor.ones([length, length], { dtype: "bool" }).triu(1);
const byHand = scores.maskedFill(future, -Infinity).softmax(-1).matmul(v);
const builtIn = q.scaledDotProductAttention(k, v, { isCausal: true });

const difference = await byHand.sub(builtIn).abs().max().item();
console.log(`largest difference: ${difference}`);
