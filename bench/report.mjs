// What the bench prints: a list for the terminal or tables for a document, and the ratios that --save and --check keep.

/** The library whose process also measures what the machine gives, for native libraries and for those in WebAssembly. */
export const LIMITS = { native: "brisc cpu", wasm: "brisc wasm" };
const isWasm = ({ name }) => /wasm|web/.test(name);
const own = ({ name }) => name.startsWith("brisc");

/** The row that a device of brisc is compared with: any library for cpu, those in WebAssembly for wasm. */
function fastestPeer(rows, device) {
  return rows
    .filter((row) => row.milliseconds !== undefined && !row.wrong && !own(row))
    .filter((row) => device === LIMITS.native || isWasm(row))
    .reduce(
      (best, row) => (best === undefined || row.milliseconds < best.milliseconds ? row : best),
      undefined,
    );
}

/** What the machine gives at most where a library runs. */
const limitOf = (rows, row) =>
  rows.find(({ name }) => name === (isWasm(row) ? LIMITS.wasm : LIMITS.native))?.limit;

/** brisc's ratios to the fastest other library and to the machine's limit, under the names by which they are kept. */
export function ratiosOf(title, rows, threads) {
  const ratios = {};
  for (const row of rows.filter((row) => own(row) && row.milliseconds !== undefined)) {
    const peer = fastestPeer(rows, row.name);
    const key = `${title} | ${row.name} | ${threads}`;
    if (peer !== undefined) ratios[key] = peer.milliseconds / row.milliseconds;
    if (row.limit !== undefined) ratios[`${key} | limit`] = row.limit.milliseconds / row.milliseconds;
  }
  return ratios;
}

/** A workload's speed in its own unit when it takes so long. */
function figure({ unit, work }, milliseconds) {
  if (unit === "us") return milliseconds * 1000;
  return unit === "1/s" ? 1000 / milliseconds : work / milliseconds / 1e6;
}

const percent = (x) => `${(100 * x).toFixed(0)} %`;

export function printRows(workload, rows) {
  console.log(`\n${workload.name}`);
  for (const row of rows) {
    const { name, milliseconds, limit, note } = row;
    const speed = milliseconds === undefined ? undefined : figure(workload, milliseconds);
    const text = speed === undefined ? "-".padStart(10) : `${speed.toFixed(1).padStart(10)} ${workload.unit}`;
    const notes = [note];
    const peer = own(row) && milliseconds !== undefined ? fastestPeer(rows, name) : undefined;
    if (peer !== undefined) notes.push(`${(peer.milliseconds / milliseconds).toFixed(2)} x ${peer.name}`);
    const most = milliseconds === undefined ? undefined : limitOf(rows, row);
    if (most !== undefined) notes.push(`${percent(most.milliseconds / milliseconds)} of the limit`);
    if (limit !== undefined)
      notes.push(`which is ${figure(workload, limit.milliseconds).toFixed(1)}, by ${limit.by}`);
    console.log(`  ${name.padEnd(18)} ${text}  ${notes.join("  ")}`);
  }
}

const cell = (workload, { milliseconds, wrong } = {}) =>
  milliseconds === undefined
    ? "-"
    : `${figure(workload, milliseconds).toPrecision(3)}${wrong ? " wrong" : ""}`;

/** `results` are pairs of a workload and its rows. */
export function printTable(names, results, threads) {
  const compared = (workload, rows, device) => {
    const row = rows.find(({ name }) => name === device);
    const peer = fastestPeer(rows, device);
    const limit = row?.limit;
    const measured = row?.milliseconds !== undefined;
    return [
      measured && peer !== undefined ? (peer.milliseconds / row.milliseconds).toFixed(2) : "-",
      limit === undefined ? "-" : `${figure(workload, limit.milliseconds).toPrecision(3)} (${limit.by})`,
      measured && limit !== undefined ? percent(limit.milliseconds / row.milliseconds) : "-",
    ];
  };
  const devices = Object.values(LIMITS).filter((name) => names.includes(name));
  const last = devices.flatMap((name) => [`${name}: to fastest`, "limit", "of it"]);
  console.log(
    `\n| float32, ${threads} thread${threads === 1 ? "" : "s"} | unit | ${[...names, ...last].join(" | ")} |`,
  );
  console.log(`|${"---|".repeat(names.length + last.length + 2)}`);
  for (const { workload, rows } of results) {
    const speeds = names.map((name) =>
      cell(
        workload,
        rows.find((row) => row.name === name),
      ),
    );
    const more = devices.flatMap((name) => compared(workload, rows, name));
    console.log(`| ${workload.name} | ${workload.unit} | ${[...speeds, ...more].join(" | ")} |`);
  }
}
