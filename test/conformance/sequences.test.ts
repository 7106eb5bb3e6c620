// PyTorch's reference values for scripts/fixtures/sequences.py.

import { layer } from "./layer.js";
import { conformance } from "./torch.js";

await conformance("sequences", { layer });
