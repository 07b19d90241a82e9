// `npm run bench`: the core beside its peers in Node, then in each browser that is named by CHROME and
// FIREFOX. `-- --write` puts the tables into docs/performance-javascript.md.

import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import * as ours from "../dist/node/core.mjs";

if (!existsSync(new URL("node_modules", import.meta.url))) {
  console.error("the peers are missing: npm ci --omit=optional in npm/bench");
  process.exit(1);
}
const { benches, measure, table } = await import("./workloads.mjs");
const today = await import("@stomp/stompjs");
const old = createRequire(import.meta.url)("stompjs");

const results = benches(ours, today, old).map((bench) => ({ name: bench.name, found: measure(bench) }));
console.log(`Node ${process.version}\n\n${table(results)}\n`);
