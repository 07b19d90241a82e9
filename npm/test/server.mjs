// Starts the real broker on free ports.

import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { createInterface } from "node:readline";

const built = ["release", "debug"].map(
  (profile) => new URL(`../../target/${profile}/stompbox`, import.meta.url).pathname,
);

/** The broker's program, or undefined. */
export const program = process.env.STOMPBOX ?? built.find((path) => existsSync(path));

/** Why tests that need the broker are skipped, or false. */
export const skip = program ? false : "no stompbox binary: cargo build -p stompbox-cli";

/** `options`: of `stompbox serve`, also other addresses than free ones on loopback. */
export async function startServer(...options) {
  const address = (name) => (options.includes(name) ? [] : [name, "127.0.0.1:0"]);
  const child = spawn(
    program,
    ["serve", ...address("--stomp"), ...address("--http"), ...options],
    { stdio: ["ignore", "pipe", "inherit"] },
  );
  const urls = {};
  for await (const line of createInterface({ input: child.stdout })) {
    const [, url] = line.match(/(\S+:\/\/\S+)/) ?? [];
    if (line.startsWith("STOMP")) urls.stomp = new URL(url.replace("stomp:", "http:"));
    if (line.startsWith("WebSocket")) urls.ws = url;
    if (line.startsWith("Pages")) urls.http = url;
    if (line.startsWith("Chat")) break;
  }
  const ended = new Promise((resolve) => child.once("exit", resolve));
  return {
    ...urls,
    host: urls.stomp.hostname,
    port: Number(urls.stomp.port),
    kill: () => (child.kill("SIGKILL"), ended),
    stop: () => (child.kill("SIGTERM"), ended),
  };
}
