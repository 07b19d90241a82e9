// The real broker, started on free ports.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";

/** `stompbox serve`, which keeps everything in memory. */
export class Broker {
  #options;
  #process;
  #folder = mkdtempSync(join(tmpdir(), "stompbox-"));

  static async start(...options) {
    const broker = new Broker();
    broker.#options = options;
    await broker.#start("127.0.0.1:0", "127.0.0.1:0");
    return broker;
  }

  async #start(stomp, http) {
    const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith("STOMPBOX_"));
    this.#process = spawn(
      process.env.STOMPBOX_BIN,
      ["serve", "--stomp", stomp, "--http", http, ...this.#options],
      {
        cwd: this.#folder,
        env: { ...Object.fromEntries(inherited), STOMPBOX_MEMORY: "true" },
        stdio: ["ignore", "pipe", "inherit"],
      },
    );
    for await (const line of createInterface({ input: this.#process.stdout })) {
      const [name, url] = line.split(/\s+/);
      if (name === "STOMP") this.tcp = new URL(url.replace("stomp:", "http:"));
      if (name === "WebSocket") this.websocket = new URL(url);
      if (this.tcp && this.websocket) break;
    }
  }

  /** Ends it as a service manager would. */
  async stop() {
    const exit = once(this.#process, "exit");
    this.#process.kill("SIGTERM");
    await exit;
  }

  /** On the same ports, after `stop`. */
  async startAgain() {
    const { tcp, websocket } = this;
    this.tcp = this.websocket = undefined;
    await this.#start(tcp.host, websocket.host);
  }
}
