// PyTorch's reference values for scripts/fixtures/resampling.py.

import { conformance } from "./torch.js";

await conformance("resampling", {
  sampleAffine: ([x, maps]) =>
    x.gridSample(maps.affineGrid([1, 2, 3, 5], { alignCorners: true }), { alignCorners: true }),
});
