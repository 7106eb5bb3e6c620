// PyTorch's reference values for scripts/fixtures/elementwise.py.

import type { Tensor } from "../../src/index.js";
import { conformance } from "./torch.js";

await conformance("elementwise", {
  cast: ([x], [dtype]) => x.cast(dtype as Tensor["dtype"]),
  where: ([condition, x, y]) => condition.where(x, y),
  whereSqrt: ([x]) => x.gt(0).where(x.sqrt(), 0),
});
