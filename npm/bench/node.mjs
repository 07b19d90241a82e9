// `npm run bench`: the core beside its peers in Node, and in each browser that CHROME, FIREFOX and
// WEBKIT_DRIVER name. With `-- --write` the tables go into docs/performance-javascript.md.

import { existsSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import * as ours from "../dist/node/core.mjs";
import { browsers } from "../test/browser/browsers.mjs";
import { serve } from "../test/browser/harness.mjs";
import { skip } from "../test/server.mjs";

if (!existsSync(new URL("node_modules", import.meta.url))) {
  console.error("the peers are missing: npm ci --omit=optional in npm/bench");
  process.exit(1);
}
const { benches, measure, table } = await import("./workloads.mjs");
const today = await import("@stomp/stompjs");
const old = createRequire(import.meta.url)("stompjs");

const sections = [];
const show = (title, text) => {
  sections.push(`### ${title}\n\n${text}`);
  console.log(`${sections.at(-1)}\n`);
};

const results = benches(ours, today, old).map((bench) => ({ name: bench.name, found: measure(bench) }));
show(`Node ${process.version}`, table(results));

for (const { name, open, skip: absent } of browsers) {
  if (skip || absent) {
    console.log(`${name} is left out: ${skip || absent}`);
    continue;
  }
  const harness = await serve();
  const browser = await open(`${harness.url}bench`);
  try {
    const { table, error, agent } = await Promise.race([
      harness.results,
      browser.ended.then(() => ({ error: `${name} ended by itself` })),
    ]);
    if (error) throw new Error(error);
    show(`${name} ${agent}`, table);
  } finally {
    await browser.stop();
    await harness.stop();
  }
}

if (process.argv.includes("--write")) {
  const page = new URL("../../docs/performance-javascript.md", import.meta.url);
  const text = await readFile(page, "utf8");
  const [begin, end] = ["<!-- tables -->", "<!-- end of tables -->"];
  const [before, after] = [text.split(begin)[0], text.split(end)[1]];
  await writeFile(page, `${before}${begin}\n\n${sections.join("\n\n")}\n\n${end}${after}`);
}
