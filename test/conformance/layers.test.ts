// PyTorch's reference values for scripts/fixtures/layers.py.

import { layer } from "./layer.js";
import { conformance } from "./torch.js";

await conformance("layers", { layer });
