// Measures the errors of functions against 40-digit references on the interpreter and writes docs/accuracy.md.
// usage: node scripts/accuracy.mjs

import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { build } from "esbuild";

const root = join(import.meta.dirname ?? new URL(".", import.meta.url).pathname, "..");
const outfile = join(root, "node_modules", ".accuracy.mjs");
await build({
  entryPoints: [join(root, "test", "tensor", "accuracy-table.ts")],
  outfile,
  bundle: true,
  platform: "node",
  format: "esm",
  external: ["koffi"],
});
try {
  const { accuracyTable } = await import(pathToFileURL(outfile).href);
  const fixture = pathToFileURL(join(root, "test", "fixtures", "accuracy.json"));
  const lines = [
    "# Accuracy of functions",
    "",
    "Largest errors over 64 arguments per range, against values of 40 digits: in units of the last place (ulp) of the exact",
    "value, and absolute. `interpreter` computes primitives as JavaScript does, `wasm` by brisc's own polynomials, which `cpu`",
    "shares. Near roots of a function (digamma at 1.46, lgamma below 0) absolute errors stay small while those in ulp grow.",
    "Written by `scripts/accuracy.mjs`; `test/tensor/accuracy.test.ts` holds the bounds.",
  ];
  for (const device of ["interpreter", "wasm"]) {
    lines.push("", `## ${device}`, "", "| function | dtype | arguments | ulp | absolute | worst at |");
    lines.push("|---|---|---|---:|---:|---:|");
    for (const { name, dtype, range, ulp, absolute, at } of await accuracyTable(fixture, device)) {
      const cells = [name, dtype, range.replaceAll("|", "\\|"), ulp.toFixed(1), absolute.toExponential(1)];
      lines.push(`| ${[...cells, at.toPrecision(4)].join(" | ")} |`);
    }
  }
  writeFileSync(join(root, "docs", "accuracy.md"), `${lines.join("\n")}\n`);
} finally {
  rmSync(outfile, { force: true });
}
