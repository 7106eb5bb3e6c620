// The verbs of `npm run cost-model`.

import { parseArgs } from "node:util";
import { collect } from "./collect.js";
import { evaluate } from "./evaluate.js";
import { searchHeldOut, showSearches } from "./searches.js";
import { train } from "./train.js";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    file: { type: "string", default: "measured-schedules.jsonl" },
    device: { type: "string", default: "cpu" },
    count: { type: "string", default: "40" },
    steps: { type: "string", default: "14000" },
    seconds: { type: "string", default: "1e9" },
  },
});
const [verb] = positionals;
if (verb === "collect") {
  const complete = await collect(values.file, values.device, Number(values.count), Number(values.seconds));
  console.log(complete ? "complete" : "more is left to measure");
} else if (verb === "train") {
  await train(values.file, Number(values.steps));
} else if (verb === "evaluate") {
  evaluate(values.file);
} else if (verb === "search") {
  const complete = await searchHeldOut(
    values.file,
    values.device,
    Number(values.count),
    Number(values.seconds),
  );
  if (complete) showSearches(values.file);
  else console.log("more is left to search");
} else {
  console.error(
    "npm run cost-model -- collect|train|evaluate|search [--file FILE] [--device NAME] [--count N] [--seconds N] [--steps N]",
  );
  process.exitCode = 2;
}
