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
  const last = options.includes("--admin") ? "Admin" : "Chat";
  // A page by HTTP, and one by HTTPS where that was asked for.
  let pages = options.includes("--https") ? 2 : 1;
  for await (const line of createInterface({ input: child.stdout })) {
    const [, url] = line.match(/(\S+:\/\/\S+)/) ?? [];
    const isSecure = /^(stomp\+tls|wss|https):/.test(url);
    if (line.startsWith("STOMP")) urls[isSecure ? "tls" : "stomp"] = new URL(url.replace(/^[^:]+/, "http"));
    if (line.startsWith("WebSocket")) urls[isSecure ? "wss" : "ws"] = url;
    if (line.startsWith("Pages")) urls[isSecure ? "https" : "http"] = isSecure ? new URL(url) : url;
    if (line.startsWith("Admin")) urls.admin = url;
    if (line.startsWith("Chat")) pages--;
    if (line.startsWith(last) && pages === 0) break;
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
