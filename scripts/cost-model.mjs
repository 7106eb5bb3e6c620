// npm run cost-model -- collect|train|evaluate|search: the cost model of the search for schedules, from measurements to the table
// in docs/search.md.

import { runBundled } from "./bundled.mjs";

await runBundled("scripts/cost-model/main.ts");
