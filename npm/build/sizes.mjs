// The table of sizes, and whether one has grown by more than 3 % since sizes.json was written.
// `UPDATE_SIZES=1` writes it, and the table in docs/performance-javascript.md.

import { readFile, writeFile } from "node:fs/promises";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";

const baseline = new URL("sizes.json", import.meta.url);
const LIMIT = 1.03;

/** `files`: names with their bytes. Prints bytes raw, after gzip -9 and after brotli -q 11. */
export async function checkSizes(files) {
  const sizes = {};
  for (const [name, bytes] of Object.entries(files)) {
    const quality = { params: { [constants.BROTLI_PARAM_QUALITY]: 11 } };
    sizes[name] = {
      raw: bytes.length,
      gzip: gzipSync(bytes, { level: 9 }).length,
      brotli: brotliCompressSync(bytes, quality).length,
    };
  }
  if (process.env.UPDATE_SIZES) {
    await writeFile(baseline, `${JSON.stringify(sizes, null, 2)}\n`);
    await writeTable(sizes);
  }
  const before = JSON.parse(await readFile(baseline, "utf8").catch(() => "{}"));
  const grown = [];
  console.log(`${"bytes".padEnd(34)}${"raw".padStart(8)}${"gzip".padStart(8)}${"brotli".padStart(8)}`);
  for (const [name, { raw, gzip, brotli }] of Object.entries(sizes)) {
    const old = before[name]?.brotli;
    const change = old ? `${(((brotli - old) / old) * 100).toFixed(1)} %` : "new";
    const row = [raw, gzip, brotli].map((size) => String(size).padStart(8)).join("");
    console.log(`${name.padEnd(34)}${row}  ${change}`);
    if (!old) {
      grown.push(`${name} is not in sizes.json`);
    } else if (brotli > old * LIMIT) {
      grown.push(`${name} has ${brotli} bytes after brotli, more than 3 % above ${old}`);
    }
  }
  if (grown.length) {
    throw new Error(`${grown.join("; ")}; UPDATE_SIZES=1 npm run build accepts it`);
  }
}

/** The table in the documentation. */
async function writeTable(sizes) {
  const page = new URL("../../docs/performance-javascript.md", import.meta.url);
  const rows = Object.entries(sizes).map(
    ([name, { raw, gzip, brotli }]) => `| ${name} | ${raw} | ${gzip} | ${brotli} |`,
  );
  const table = ["| | raw | gzip -9 | brotli -q 11 |", "|---|---:|---:|---:|", ...rows].join("\n");
  const text = await readFile(page, "utf8");
  const between = /(<!-- sizes -->)[^]*(<!-- end of sizes -->)/;
  await writeFile(page, text.replace(between, `$1\n\n${table}\n\n$2`));
}
