// npm start: sets everything up, then trains a network on handwritten digits. Arguments go to `brisc train mnist`.

import { spawn } from "node:child_process";
import { join } from "node:path";
import { build, install, root } from "./setup.mjs";

install();
build();
const args = [join(root, "dist", "cli.js"), "train", "mnist", ...process.argv.slice(2)];
const child = spawn(process.execPath, args, { stdio: "inherit" });
// The terminal sends Ctrl-C to both processes: the child stops in its own time, and this one waits for it.
process.on("SIGINT", () => {});
process.on("SIGTERM", () => child.kill("SIGTERM"));
child.on("exit", (code) => process.exit(code ?? 1));
