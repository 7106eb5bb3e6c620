// PyTorch's reference values for scripts/fixtures/functions.py.

import { conformance } from "./torch.js";

await conformance("functions", {
  frexpParts: ([x]) => {
    const { mantissa, exponent } = x.frexp();
    return [mantissa, exponent];
  },
  divmod: ([x, y]) => x.divmod(y),
  /** The training flag is off: the slope is the middle one. */
  rrelu: ([x], [lower, upper]) => x.rrelu({ lower: lower as number, upper: upper as number }),
});
