// Writes the tables of names of docs/coming-from.md from docs/names.json.
// usage: node scripts/names.mjs            writes
//        node scripts/names.mjs --check    fails where the page differs
//
// A library's section lists PyTorch's names that are here in camelCase (`same`, by where they stand here), those that
// have another name (`differ`: theirs, ours, a note) and those that are not here (`absent`, by the key of a reason).

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const docs = join(fileURLToPath(new URL(".", import.meta.url)), "..", "docs");

const camelCase = (name) => name.replace(/_([a-z0-9])/g, (_, letter) => letter.toUpperCase());

const code = (name) => `\`${name}\``;
const escaped = (cell) => cell.replaceAll("|", "\\|");

function table(head, rows) {
  return [head, head.map(() => "---"), ...rows].map((cells) => `| ${cells.map(escaped).join(" | ")} |`);
}

const pairs = (rows) =>
  rows.map(([theirs, ours, note]) => [code(theirs), ours === null ? "-" : code(ours), note ?? ""]);

/** Names one after the other, in lines of at most 118 characters. */
function listed(place, names) {
  const words = names.map((name, i) => code(camelCase(name)) + (i === names.length - 1 ? "." : ","));
  const lines = [place];
  for (const word of words) {
    const longer = [lines.at(-1), word].filter(Boolean).join(" ");
    if (longer.length > 118) lines.push(word);
    else lines[lines.length - 1] = longer;
  }
  return lines;
}

const PLACES = {
  x: "Methods:",
  Tensor: "Functions of `Tensor`:",
  nn: "In `nn`:",
  "nn.init": "In `nn.init`:",
  "": "",
};

function section({ title, same, differ, absent }, reasons) {
  const lines = [`### ${title}`, ""];
  for (const [place, names] of Object.entries(same)) lines.push(...listed(PLACES[place], names), "");
  if (differ.length > 0) lines.push(...table(["PyTorch", "brisc", "note"], pairs(differ)), "");
  const missing = Object.entries(absent).map(([key, names]) => [names.map(code).join(", "), reasons[key]]);
  if (missing.length > 0) lines.push(...table(["not here", "why"], missing), "");
  return lines;
}

/** The page with what lies between its markers written anew. */
function written(page, { reasons, libraries }) {
  return page.replace(/(<!-- names: (\w+) -->\n)[\s\S]*?(<!-- end -->)/g, (_, start, library, end) => {
    const { sections, title, names } = libraries[library];
    const lines = sections
      ? sections.flatMap((part) => section(part, reasons))
      : [...table([title, "brisc", "note"], pairs(names)), ""];
    return `${start}\n${lines.join("\n")}\n${end}`;
  });
}

const file = join(docs, "coming-from.md");
const page = readFileSync(file, "utf8");
const fresh = written(page, JSON.parse(readFileSync(join(docs, "names.json"), "utf8")));
if (!process.argv.includes("--check")) writeFileSync(file, fresh);
else if (fresh !== page) {
  console.error("docs/coming-from.md is not what docs/names.json gives: run node scripts/names.mjs");
  process.exit(1);
}
