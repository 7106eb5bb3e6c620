// Checks the directions of imports in src/: a folder imports only from the folders it stands on, and no two files import
// each other, by however long a way round. Imports of types alone are exempt: they are gone when the program runs.

import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import ts from "typescript";
import { root } from "./setup.mjs";

/** Each folder, and the folders it stands on directly; it may import from those and from what they stand on. */
const STANDS_ON = {
  scalar: [],
  kernel: ["scalar"],
  graph: ["kernel"],
  fuse: ["graph"],
  schedule: ["kernel"],
  lower: ["schedule"],
  codegen: ["lower"],
  device: ["codegen"],
  engine: ["device", "fuse"],
  tensor: ["engine"],
  nn: ["tensor"],
  formats: ["tensor"],
  data: ["tensor"],
  onnx: ["formats"],
  datasets: ["data", "formats"],
  // The command line uses the library as any program does, through its door.
  cli: ["nn", "datasets", "onnx", "index.ts"],
};

const source = join(root, "src");

function reachable(folder) {
  const found = new Set([folder]);
  for (const name of found) for (const below of STANDS_ON[name] ?? []) found.add(below);
  return found;
}

function hasValues(clause) {
  if (clause === undefined) return true;
  if (clause.isTypeOnly) return false;
  const names = clause.namedBindings ?? clause;
  if (clause.name !== undefined || !names.elements) return true;
  return names.elements.length === 0 || names.elements.some((element) => !element.isTypeOnly);
}

/** The modules a file loads: at its start, or later through import(). */
function importsOf(file) {
  const tree = ts.createSourceFile(file, readFileSync(file, "utf8"), ts.ScriptTarget.Latest, true);
  const found = { static: [], dynamic: [] };
  for (const statement of tree.statements) {
    if (ts.isImportDeclaration(statement) && hasValues(statement.importClause)) {
      found.static.push(statement.moduleSpecifier.text);
    }
    if (ts.isExportDeclaration(statement) && statement.moduleSpecifier && !statement.isTypeOnly) {
      if (hasValues(statement.exportClause)) found.static.push(statement.moduleSpecifier.text);
    }
  }
  const visit = (node) => {
    if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) {
      if (node.arguments[0] && ts.isStringLiteral(node.arguments[0]))
        found.dynamic.push(node.arguments[0].text);
    }
    ts.forEachChild(node, visit);
  };
  visit(tree);
  const local = (names) =>
    names
      .filter((name) => name.startsWith("."))
      .map((name) => resolve(dirname(file), name).replace(/\.js$/, ".ts"));
  return { static: local(found.static), dynamic: local(found.dynamic) };
}

const files = readdirSync(source, { recursive: true })
  .map((name) => join(source, name))
  .filter((name) => name.endsWith(".ts"));
const imports = new Map(files.map((file) => [file, importsOf(file)]));
const show = (file) => relative(root, file);
const problems = [];

for (const [file, found] of imports) {
  const [folder, ...inside] = relative(source, file).split(/[\\/]/);
  // src/index.ts is the door of the house: it may import from every room.
  if (inside.length === 0) continue;
  if (STANDS_ON[folder] === undefined) {
    problems.push(
      `${show(file)} lies in a folder whose place in the order is not given in check-imports.mjs`,
    );
    continue;
  }
  const allowed = reachable(folder);
  for (const target of [...found.static, ...found.dynamic]) {
    const [to] = relative(source, target).split(/[\\/]/);
    if (!allowed.has(to))
      problems.push(`${show(file)} imports ${show(target)}, but ${folder} does not stand on ${to}`);
  }
}

/** Depth-first search; a file met again while it is still open closes a cycle. */
function findCycles() {
  const state = new Map();
  for (const start of files) {
    const path = [[start, 0]];
    if (!state.has(start)) state.set(start, "open");
    else continue;
    while (path.length > 0) {
      const top = path[path.length - 1];
      const next = imports.get(top[0])?.static[top[1]++];
      if (next === undefined) {
        state.set(top[0], "done");
        path.pop();
      } else if (state.get(next) === "open") {
        const open = path.map(([file]) => file);
        const cycle = [...open.slice(open.indexOf(next)), next];
        problems.push(`import cycle: ${cycle.map(show).join(" -> ")}`);
      } else if (!state.has(next)) {
        state.set(next, "open");
        path.push([next, 0]);
      }
    }
  }
}

findCycles();
for (const problem of problems) console.error(problem);
if (problems.length === 0) console.log(`${files.length} files, no import cycle, every import points down`);
process.exit(problems.length === 0 ? 0 : 1);
