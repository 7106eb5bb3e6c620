// Checks what is promised of the published package: its size, and what importing it costs.

import { spawnSync } from "node:child_process";
import { root } from "./setup.mjs";

const MAX_TARBALL_BYTES = 1_000_000;
const MAX_IMPORT_MILLISECONDS = 60;

const problems = [];
const packed = spawnSync("npm", ["pack", "--dry-run", "--json", "--ignore-scripts"], {
  cwd: root,
  encoding: "utf8",
  shell: process.platform === "win32",
});
const [{ size, entryCount }] = JSON.parse(packed.stdout);
console.log(`tarball: ${(size / 1000).toFixed(0)} kB in ${entryCount} files`);
if (size > MAX_TARBALL_BYTES) problems.push(`the tarball has ${size} bytes, more than ${MAX_TARBALL_BYTES}`);

const probe = `
  const before = [Object.keys(globalThis).length, process.getActiveResourcesInfo().length];
  const start = performance.now();
  await import("./dist/index.js");
  const milliseconds = performance.now() - start;
  // The loader's own file handles close after a turn of the event loop.
  await new Promise((resolve) => setImmediate(resolve));
  const after = [Object.keys(globalThis).length, process.getActiveResourcesInfo().length];
  console.log(JSON.stringify({ milliseconds, quiet: String(before) === String(after) }));
`;
const runs = Array.from({ length: 5 }, () => {
  const { stdout, stderr } = spawnSync(process.execPath, ["--input-type=module", "-e", probe], {
    cwd: root,
    encoding: "utf8",
  });
  if (stderr !== "") problems.push(`importing the package prints: ${stderr}`);
  return JSON.parse(stdout);
});
const fastest = Math.min(...runs.map((run) => run.milliseconds));
console.log(`import: ${fastest.toFixed(1)} ms at best of ${runs.length}`);
// On a busy machine a start can take any time; the fastest of several is the package's own.
if (fastest > MAX_IMPORT_MILLISECONDS)
  problems.push(`the import takes more than ${MAX_IMPORT_MILLISECONDS} ms`);
if (runs.some((run) => !run.quiet)) problems.push("the import has side effects: new globals or open handles");
for (const problem of problems) console.error(problem);
process.exit(problems.length === 0 ? 0 : 1);
