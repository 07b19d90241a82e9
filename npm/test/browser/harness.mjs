// Serves the suite, the library and a switch for the broker to a browser, and waits for what comes of
// it. The page does all the rest, so that every browser runs the same.

import { readFile, readdir } from "node:fs/promises";
import { createServer } from "node:http";
import { WebSocketServer } from "ws";
import { startServer } from "../server.mjs";

const files = { "/dist/": "../../dist/", "/suite/": "./suite/", "/bench/": "../../bench/", "/peers/": "../../node_modules/" };

const TYPES = { js: "text/javascript", mjs: "text/javascript", cjs: "text/javascript", html: "text/html" };

/** The strictest policy under which the csp build has to work: no WebAssembly, no inline scripts. */
const STRICT = "default-src 'none'; script-src 'self'; worker-src 'self'; connect-src *";

/** Isolated from other sites, a page has a clock that tells microseconds. */
const ISOLATED = {
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-embedder-policy": "require-corp",
};

const html = (script) => `<!doctype html><meta charset="utf-8"><script type="module" src="${script}"></script>`;

/** `{url, results, stop}`: `results` resolves with what the page reports. */
export async function serve() {
  let broker = await startServer("--allow-origin", "*", "--sockjs");
  // A broker that is started again has to be where the first was.
  const at = ["--stomp", broker.stomp.host, "--http", new URL(broker.ws).host, "--allow-origin", "*", "--sockjs"];
  let report;
  const results = new Promise((resolve) => (report = resolve));
  const controls = {
    "/broker": () => broker.ws,
    "/kill": () => broker.kill().then(() => "killed"),
    "/restart": async () => {
      broker = await startServer(...at);
      return broker.ws;
    },
    "/suites": async () => {
      const names = await readdir(new URL("suite/", import.meta.url));
      return JSON.stringify(names.filter((name) => name.endsWith(".suite.mjs")));
    },
    // For benches: a socket that sends a text as often as it is told.
    "/flood": (text) => {
      sockets.on("connection", (socket) => {
        socket.on("message", (count) => {
          for (let left = Number(String(count)); left > 0; left--) socket.send(text);
        });
      });
      return `ws://127.0.0.1:${server.address().port}/`;
    },
    "/report": (body) => {
      report(JSON.parse(body));
      return "";
    },
  };
  const server = createServer(async (request, response) => {
    const { pathname } = new URL(request.url, "http://localhost");
    const send = (type, body, headers = {}) =>
      response.writeHead(200, { "content-type": `${type}; charset=utf-8`, ...headers }).end(body);
    try {
      let body = "";
      for await (const chunk of request) body += chunk;
      if (pathname === "/") return send("text/html", html("/suite/page.mjs"));
      if (pathname === "/bench") return send("text/html", html("/bench/page.mjs"), ISOLATED);
      if (pathname === "/strict") {
        const policy = { "content-security-policy": STRICT };
        return send("text/html", html("/suite/strict.mjs"), policy);
      }
      if (controls[pathname]) return send("text/plain", await controls[pathname](body));
      const [prefix, folder] = Object.entries(files).find(([start]) => pathname.startsWith(start)) ?? [];
      if (!prefix || pathname.includes("..")) return response.writeHead(404).end();
      const file = await readFile(new URL(folder + pathname.slice(prefix.length), import.meta.url));
      // As the page's own: workers have a policy by themselves.
      return send(TYPES[pathname.split(".").pop()] ?? "text/plain", file);
    } catch (error) {
      return response.writeHead(error.code === "ENOENT" ? 404 : 500).end(String(error));
    }
  });
  const sockets = new WebSocketServer({ server, perMessageDeflate: false });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${server.address().port}/`,
    results,
    async stop() {
      for (const socket of sockets.clients) socket.terminate();
      server.closeAllConnections();
      server.close();
      await broker.stop();
    },
  };
}
