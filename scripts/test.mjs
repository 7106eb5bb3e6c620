// npm test: sets everything up, runs the tests and ends in the line `N passed, N failed, N skipped`.
// Arguments go to vitest: `npm test -- test/kernel`.

import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { install, root } from "./setup.mjs";

install();
const folder = mkdtempSync(join(tmpdir(), "brisc-test-"));
const report = join(folder, "report.json");
const vitest = join(root, "node_modules", "vitest", "vitest.mjs");
const reporters = ["--reporter=default", "--reporter=json", `--outputFile.json=${report}`];
const { status } = spawnSync(process.execPath, [vitest, "run", ...reporters, ...process.argv.slice(2)], {
  cwd: root,
  stdio: "inherit",
});

let passed = 0;
let failed = 0;
let skipped = 0;
try {
  for (const file of JSON.parse(readFileSync(report, "utf8")).testResults) {
    // A file that could not be loaded has no tests to count.
    if (file.status === "failed" && file.assertionResults.length === 0) failed++;
    for (const test of file.assertionResults) {
      if (test.status === "passed") passed++;
      else if (test.status === "failed") failed++;
      else skipped++;
    }
  }
} catch (error) {
  console.error(`vitest left no report: ${error.message}`);
  failed++;
}
rmSync(folder, { recursive: true, force: true });
console.log(`${passed} passed, ${failed} failed, ${skipped} skipped`);
process.exit(failed > 0 || passed === 0 ? 1 : (status ?? 1));
