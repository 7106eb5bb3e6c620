// npm run conformance:onnx -- FOLDER [--device D] [--only TEXT] [--operator NAME] [--operators]: runs the ONNX standard's own
// test data.

import { runBundled } from "./bundled.mjs";

await runBundled("scripts/conformance-onnx/main.ts");
