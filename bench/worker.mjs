// One library in a process of its own: sets up, runs and times what the parent asks for. With the argument `first` it only
// computes a first result and ends.

import { PEERS } from "./peers/index.mjs";
import { Unsupported } from "./peers/peer.mjs";

const [name, threads, task] = process.argv.slice(2);
const library = await PEERS[name].open(Number(threads));

if (task === "first") {
  console.log((await library.first()).join(","));
  process.exit(0);
}

/** Runs for some milliseconds, `repeat` times between two looks at the clock; gives the time of each run. */
async function round(current, milliseconds, repeat) {
  const times = [];
  const end = performance.now() + milliseconds;
  do {
    const start = performance.now();
    for (let i = 0; i < repeat; i++) await current.run();
    times.push((performance.now() - start) / repeat);
  } while (performance.now() < end);
  return times;
}

let current;
let roofline;
const answers = {
  async setup({ workload }) {
    current = await library.setup(workload);
    return { sample: await current.sample() };
  },
  round: async ({ milliseconds, repeat }) => ({ times: await round(current, milliseconds, repeat) }),
  async limit({ amount, milliseconds }) {
    roofline ??= await library.openRoofline(amount);
    return roofline.measure(milliseconds);
  },
  async close() {
    await current.close();
    roofline?.close();
    current = roofline = undefined;
    return {};
  },
};

process.on("message", async (message) => {
  try {
    process.send(await answers[message.task](message));
  } catch (error) {
    process.send({ error: error.message, unsupported: error instanceof Unsupported });
  }
});
process.on("disconnect", () => process.exit(0));
const { version, note } = library;
process.send({ version, note });
