// npm run conformance:onnx -- FOLDER [--device D] [--only TEXT] [--operators]: runs the ONNX standard's own test data. Bundles
// and runs scripts/conformance-onnx/main.ts, which needs more of brisc than its public names.

import { spawnSync } from "node:child_process";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { build } from "esbuild";
import { install, root } from "./setup.mjs";

install();
// Beside the packages, so that koffi is found.
const bundle = join(root, "node_modules", `.conformance-onnx-${process.pid}.mjs`);
await build({
  absWorkingDir: root,
  entryPoints: ["scripts/conformance-onnx/main.ts"],
  outfile: bundle,
  bundle: true,
  format: "esm",
  platform: "node",
  target: "node20",
  external: ["koffi", "@bufbuild/protobuf"],
  sourcemap: "inline",
  logLevel: "warning",
});
const { status } = spawnSync(process.execPath, ["--enable-source-maps", bundle, ...process.argv.slice(2)], {
  stdio: "inherit",
});
rmSync(bundle, { force: true });
process.exit(status ?? 1);
