// npm run bench: builds brisc, installs the libraries it is measured beside (once, into bench/), and measures.

import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { build, install, isInstalled, root, run } from "./setup.mjs";

install();
build();
const bench = join(root, "bench");
if (!isInstalled(bench)) {
  console.log("Installing the libraries to compare with into bench/ (about 750 MB) ...");
  // onnxruntime-node's own installer would fetch GPU libraries from elsewhere.
  const env = { ...process.env, ONNXRUNTIME_NODE_INSTALL: "skip" };
  run("npm", ["ci"], { cwd: bench, env, shell: process.platform === "win32" });
}
const { status } = spawnSync(process.execPath, [join(bench, "main.mjs"), ...process.argv.slice(2)], {
  stdio: "inherit",
});
process.exit(status ?? 1);
