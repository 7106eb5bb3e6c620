// Runs tests in the layout of ONNX's backend test data: folders named test_*, each with model.onnx and test_data_set_*/ with
// input_K.pb and output_K.pb. Prints what fails and why, a table by operator, and last `N passed, N failed, N skipped`.

import { existsSync, readdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { parseArgs } from "node:util";
import { setDefaultDevice } from "../../src/index.js";
import { load, type OnnxModel } from "../../src/onnx/model.js";
import { readModel, readOptionalProto, readSequenceProto, readTensorProto } from "../../src/onnx/proto.js";
import type { OptionalProto, SequenceProto } from "../../src/onnx/proto.js";
import { decodeTensor } from "../../src/onnx/tensor-data.js";
import { AbsentValue, printValue, SequenceValue, type Value, valueFromHost } from "../../src/onnx/value.js";
import { OPEN } from "./open.js";
import { UNMATCHED } from "./unmatched.js";

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    device: { type: "string" },
    /** Tests whose names contain this. */
    only: { type: "string" },
    /** Tests with a node of this operator. */
    operator: { type: "string" },
    /** Prints how each operator did, not only those with failures. */
    operators: { type: "boolean", default: false },
  },
});
if (positionals.length === 0) {
  console.error(
    "which folder? npm run conformance:onnx -- FOLDER [--device D] [--only TEXT] [--operator NAME] [--operators]",
  );
  process.exit(2);
}
if (options.device !== undefined) setDefaultDevice(options.device);

// --- reading ---------------------------------------------------------------------------------------------------------

const tensorFrom = (proto: Parameters<typeof decodeTensor>[0]): Value => valueFromHost(decodeTensor(proto));
const sequenceFrom = (proto: SequenceProto): Value =>
  new SequenceValue([
    ...proto.tensors.map(tensorFrom),
    ...proto.sequences.map(sequenceFrom),
    ...proto.optionals.map(optionalFrom),
  ]);
const optionalFrom = ({ tensor, sequence, optional }: OptionalProto): Value =>
  tensor !== undefined
    ? tensorFrom(tensor)
    : sequence !== undefined
      ? sequenceFrom(sequence)
      : optional !== undefined
        ? optionalFrom(optional)
        : new AbsentValue();

function readValue(file: string, kind: string): Value {
  const bytes = readFileSync(file);
  if (kind === "sequence") return sequenceFrom(readSequenceProto(bytes));
  return kind === "optional" ? optionalFrom(readOptionalProto(bytes)) : tensorFrom(readTensorProto(bytes));
}

// --- comparing -------------------------------------------------------------------------------------------------------

interface Tolerance {
  readonly rtol: number;
  readonly atol: number;
}

/** Why two values differ; undefined if they agree. */
async function difference(got: Value, expected: Value, tolerance: Tolerance): Promise<string | undefined> {
  if (got.kind !== expected.kind) return `gives ${printValue(got)}, not ${printValue(expected)}`;
  if (got.kind === "sequence" && expected.kind === "sequence") {
    if (got.items.length !== expected.items.length)
      return `gives ${got.items.length} items, not ${expected.items.length}`;
    for (let i = 0; i < got.items.length; i++) {
      const reason = await difference(got.items[i], expected.items[i], tolerance);
      if (reason !== undefined) return `item ${i} ${reason}`;
    }
    return undefined;
  }
  if (
    got.kind === "absent" ||
    expected.kind === "absent" ||
    got.kind === "sequence" ||
    expected.kind === "sequence"
  )
    return undefined;
  if (got.type !== expected.type || String(got.shape) !== String(expected.shape))
    return `gives ${printValue(got)}, not ${printValue(expected)}`;
  if (got.kind === "strings" || expected.kind === "strings") {
    const [a, b] = [got, expected].map((value) => (value.kind === "strings" ? value.strings : []));
    return JSON.stringify(a) === JSON.stringify(b) ? undefined : `gives ${a}, not ${b}`;
  }
  const [a, b] = [await got.tensor.data(), await expected.tensor.data()];
  for (let i = 0; i < a.length; i++) {
    if (close(a[i], b[i], tolerance)) continue;
    let worst = 0;
    for (let k = 0; k < a.length; k++) worst = Math.max(worst, Math.abs(Number(a[k]) - Number(b[k])) || 0);
    return `gives ${a[i]} at ${i} of ${printValue(got)}, not ${b[i]} (largest difference ${worst})`;
  }
  return undefined;
}

function close(a: number | bigint, b: number | bigint, { rtol, atol }: Tolerance): boolean {
  if (a === b) return true;
  const [x, y] = [Number(a), Number(b)];
  if (Number.isNaN(x) || Number.isNaN(y)) return Number.isNaN(x) && Number.isNaN(y);
  return Math.abs(x - y) <= atol + rtol * Math.abs(y);
}

// --- running ---------------------------------------------------------------------------------------------------------

/** Thrown where the data are of another type than the model declares: some that were written wrong exist. */
class FaultyData extends Error {
  override name = "FaultyData";
}

function readDeclared(file: string, { name, kind, type }: OnnxModel["inputs"][number]): Value {
  const value = readValue(file, kind);
  if (value.kind === "tensor" && type !== undefined && value.type !== type)
    throw new FaultyData(`its data hold "${name}" as ${value.type}, and the model declares ${type}`);
  return value;
}

async function runSet(model: OnnxModel, folder: string, tolerance: Tolerance): Promise<string | undefined> {
  const inputs = new Map<string, Value>();
  model.inputs.forEach((input, i) => {
    const file = join(folder, `input_${i}.pb`);
    if (existsSync(file)) inputs.set(input.name, readDeclared(file, input));
  });
  const got = await model.runValues(inputs);
  for (let i = 0; i < model.outputs.length; i++) {
    const file = join(folder, `output_${i}.pb`);
    if (!existsSync(file)) continue;
    const reason = await difference(got[i], readDeclared(file, model.outputs[i]), tolerance);
    if (reason !== undefined) return `output "${model.outputs[i].name}" ${reason}`;
  }
  return undefined;
}

async function runTest(folder: string): Promise<string | undefined> {
  const told = join(folder, "data.json");
  const { rtol = 1e-3, atol = 1e-7 } = existsSync(told)
    ? (JSON.parse(readFileSync(told, "utf8")) as Partial<Tolerance>)
    : {};
  const model = await load(join(folder, "model.onnx"));
  for (const set of readdirSync(folder).filter((name) => name.startsWith("test_data_set_"))) {
    const reason = await runSet(model, join(folder, set), { rtol, atol });
    if (reason !== undefined) return `${set}: ${reason}`;
  }
  return undefined;
}

/** Folders of tests at any depth. */
function testsIn(folder: string): string[] {
  if (existsSync(join(folder, "model.onnx"))) return [folder];
  return readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => name)
    .sort()
    .flatMap((name) => testsIn(join(folder, name)));
}

function operatorsOf(folder: string): string[] {
  try {
    const { graph } = readModel(readFileSync(join(folder, "model.onnx")));
    return [
      ...new Set(graph?.nodes.map(({ domain, operator }) => (domain ? `${domain}.${operator}` : operator))),
    ];
  } catch {
    return ["(unreadable)"];
  }
}

const tests = positionals
  .flatMap(testsIn)
  .filter((folder) => options.only === undefined || basename(folder).includes(options.only))
  .filter((folder) => options.operator === undefined || operatorsOf(folder).includes(options.operator));
const counts = { passed: 0, failed: 0, skipped: 0 };
/** What went otherwise than open.ts has it. */
const surprises: string[] = [];
const byOperator = new Map<string, { passed: number; failed: number; skipped: number }>();
for (const folder of tests) {
  const name = basename(folder);
  const excuse = UNMATCHED[name];
  let outcome: keyof typeof counts = "passed";
  if (excuse !== undefined) {
    outcome = "skipped";
    console.log(`skipped ${name}: ${excuse}`);
  } else {
    const reason = await runTest(folder).catch((error: unknown) => {
      if (error instanceof FaultyData) outcome = "skipped";
      return error instanceof Error ? `${error.name}: ${error.message}` : String(error);
    });
    if (outcome === "skipped") console.log(`skipped ${name}: ${reason}`);
    else if (reason !== undefined) {
      outcome = "failed";
      const known = OPEN[name];
      if (known === undefined) surprises.push(`${name} failed`);
      console.log(`FAILED ${name}${known === undefined ? "" : ` (${known})`}: ${reason.slice(0, 400)}`);
    } else if (OPEN[name] !== undefined)
      surprises.push(`${name} passed, and may leave scripts/conformance-onnx/open.ts`);
  }
  counts[outcome]++;
  for (const operator of operatorsOf(folder)) {
    const row = byOperator.get(operator) ?? { passed: 0, failed: 0, skipped: 0 };
    row[outcome]++;
    byOperator.set(operator, row);
  }
}
console.log(`\n${"operator".padEnd(36)} passed  failed  skipped`);
for (const [operator, row] of [...byOperator].sort(([a], [b]) => (a < b ? -1 : 1))) {
  if (!options.operators && row.failed === 0) continue;
  const numbers = [row.passed, row.failed, row.skipped].map((n) => String(n).padStart(6)).join("  ");
  console.log(`${operator.padEnd(36)} ${numbers}`);
}
for (const surprise of surprises) console.log(`unexpected: ${surprise}`);
console.log(`\n${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`);
process.exit(surprises.length === 0 ? 0 : 1);
