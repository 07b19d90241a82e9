// Copies src/ to dist/, and refuses what the server's Content-Security-Policy would.

import { cp, readdir, readFile, rm } from "node:fs/promises";

const src = new URL("src/", import.meta.url);
const dist = new URL("dist/", import.meta.url);

for (const entry of await readdir(src, { recursive: true })) {
  if (!entry.endsWith(".html")) continue;
  const text = await readFile(new URL(entry, src), "utf8");
  for (const [what, pattern] of [
    ["an inline script", /<script(?![^>]*\ssrc=)/],
    ["an inline style", /<style|\sstyle=/],
    ["an event attribute", /\son[a-z]+=/],
    ["another host", /(?:src|href)="https?:/],
  ]) {
    if (pattern.test(text)) throw new Error(`${entry} has ${what}, which the server forbids`);
  }
}
await rm(dist, { recursive: true, force: true });
await cp(src, dist, { recursive: true });
