// Runs a script in TypeScript that needs more of brisc than its public names: bundles it, and runs the bundle.

import { spawnSync } from "node:child_process";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { build } from "esbuild";
import { install, root } from "./setup.mjs";

/** Runs a file of the project, in its root, with this process's arguments; ends the process with its exit code. */
export async function runBundled(entry) {
  install();
  // Beside the packages, so that they are found.
  const bundle = join(root, "node_modules", `.bundled-${process.pid}.mjs`);
  await build({
    absWorkingDir: root,
    entryPoints: [entry],
    outfile: bundle,
    bundle: true,
    format: "esm",
    platform: "node",
    target: "node20",
    external: ["koffi", "@bufbuild/protobuf"],
    sourcemap: "inline",
    logLevel: "warning",
  });
  const args = ["--enable-source-maps", bundle, ...process.argv.slice(2)];
  const { status } = spawnSync(process.execPath, args, { cwd: root, stdio: "inherit" });
  rmSync(bundle, { force: true });
  process.exit(status ?? 1);
}
