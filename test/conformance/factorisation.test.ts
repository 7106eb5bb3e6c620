// PyTorch's reference values for scripts/fixtures/factorisation.py. Vectors that are defined up to a sign or a rotation
// are compared through products that do not see it.

import type { Tensor } from "../../src/index.js";
import { conformance, optionsOf } from "./torch.js";

const scaled = (u: Tensor, s: Tensor, vh: Tensor): Tensor => u.mul(s.unsqueeze(-2)).matmul(vh);

await conformance("factorisation", {
  lu: ([x]) => Object.values(x.lu()),
  luFactor: ([x]) => Object.values(x.luFactor()),
  slogdet: ([x]) => Object.values(x.slogdet()),
  logabsdet: ([x]) => x.slogdet().logabsdet,
  qr: ([x], args) => Object.values(x.qr(optionsOf(args))),
  svd: ([x], args) => {
    const { U, S, Vh } = x.svd(optionsOf(args));
    const k = S.sizeAt(-1);
    const [u, vh] = [U.narrow(-1, 0, k), Vh.narrow(-2, 0, k)];
    const full = optionsOf(args).fullMatrices === undefined;
    const last = full ? scaled(u, S.cos(), vh) : U.matmul(U.transpose());
    return [scaled(u, S, vh), S, u.square(), vh.square(), last];
  },
  eigh: ([x], args) => {
    const { eigenvalues: w, eigenvectors: v } = x.eigh(optionsOf(args));
    return [w, v.square(), scaled(v, w.sin(), v.transpose())];
  },
  lstsq: ([a, b], args) => a.lstsq(b, optionsOf(args)).solution,
  residuals: ([a, b]) => a.lstsq(b).residuals,
  infinityNorm: ([x], [sign]) => x.matrixNorm(Number(sign) * Number.POSITIVE_INFINITY),
});
