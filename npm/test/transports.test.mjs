// Every way to a server, with real ones at the other end.

import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import http from "node:http";
import { createRequire } from "node:module";
import net from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import SockJS from "sockjs-client";
import WebSocket, { WebSocketServer } from "ws";
import { connect, Stomp } from "../dist/node/node.mjs";
import { skip, startServer } from "./server.mjs";

const require = createRequire(import.meta.url);
const sockjs = require("sockjs");
const file = (name) => new URL(`tls/${name}`, import.meta.url).pathname;

/** Sends a body there and back. */
async function echo(client, body = "Grüße 🦀") {
  const name = `/queue/echo-${Math.random()}`;
  client.publish(name, body);
  for await (const message of client.subscribe(name)) {
    message.ack();
    assert.deepEqual(typeof body === "string" ? message.body : message.binaryBody, body);
    break;
  }
  await client.close();
}

/** The same through the classic face. */
const classic = (client) =>
  new Promise((resolve, reject) => {
    client.debug = null;
    client.connect({}, () => {
      client.subscribe("/queue/classic", ({ body }) => client.disconnect(() => resolve(body)));
      client.send("/queue/classic", {}, "Grüße 🦀");
    }, reject);
  });

/** Joins two streams, each other's ends too. */
const join2 = (one, other) => {
  for (const [from, to] of [[one, other], [other, one]]) {
    from.on("data", (data) => to.write(data));
    from.on("close", () => to.end());
    from.on("error", () => {});
  }
};

describe("a transport", { skip }, () => {
  let server;
  let secure;
  let ca;
  const ends = [];
  before(async () => {
    ca = await readFile(file("cert.pem"));
    server = await startServer("--sockjs");
    const tls = ["--tls-cert", file("cert.pem"), "--tls-key", file("key.pem")];
    secure = await startServer("--stomp-tls", "127.0.0.1:0", "--https", "127.0.0.1:0", ...tls);
  });
  after(async () => {
    ends.forEach((end) => end());
    await Promise.all([server.kill(), secure.kill()]);
  });

  it("is TCP", async () => {
    await echo(await connect(`stomp://127.0.0.1:${server.port}`));
    await echo(await connect(`tcp://127.0.0.1:${server.port}`), new Uint8Array([0, 255]));
    assert.equal(await classic(Stomp.overTCP(server.host, server.port)), "Grüße 🦀");
    await assert.rejects(connect("stomp://127.0.0.1:1"), /ECONNREFUSED/);
    await assert.rejects(connect("gopher://127.0.0.1:1"), /gopher/);
  });

  it("is TLS, whose certificate counts", async () => {
    const { hostname, port } = secure.tls;
    await echo(await connect(`stomp+tls://${hostname}:${port}`, { tls: { ca } }));
    await echo(await connect(`wss://${hostname}:${secure.https.port}/stomp`, { tls: { ca } }));
    assert.equal(await classic(Stomp.overTCP(hostname, port, { tls: { ca } })), "Grüße 🦀");
    await assert.rejects(connect(`stomp+tls://${hostname}:${port}`), /self-signed certificate/);
  });

  it("is a Unix socket", { skip: process.platform === "win32" }, async () => {
    const folder = await mkdtemp(join(tmpdir(), "stompbox-"));
    const path = join(folder, "socket");
    const relay = net.createServer((socket) => join2(socket, net.connect(server.port, server.host)));
    await once(relay.listen(path), "listening");
    try {
      await echo(await connect(`stomp+unix://${path}`, { host: "localhost" }));
      assert.equal(await classic(Stomp.overTCP({ path })), "Grüße 🦀");
    } finally {
      relay.close();
      await rm(folder, { recursive: true });
    }
  });

  it("is WebSocket with HTTP headers", async () => {
    const seen = [];
    const front = new WebSocketServer({ port: 0, host: "127.0.0.1", handleProtocols: (offered) => [...offered][0] });
    front.on("connection", (socket, request) => {
      seen.push([request.headers.authorization, request.headers["sec-websocket-protocol"]]);
      const back = net.connect(server.port, server.host);
      socket.on("message", (data) => back.write(data));
      socket.on("close", () => back.end());
      back.on("data", (data) => socket.send(String(data)));
    });
    await once(front, "listening");
    const url = `ws://127.0.0.1:${front.address().port}/`;
    const headers = { Authorization: "Bearer 1" };
    await echo(await connect(url, { httpHeaders: headers }));
    assert.equal(await classic(Stomp.overWS(url, ["v11.stomp"], { headers })), "Grüße 🦀");
    await echo(await connect(url, { WebSocket }));
    front.close();
    assert.deepEqual(seen, [
      ["Bearer 1", "v12.stomp,v11.stomp,v10.stomp"],
      ["Bearer 1", "v11.stomp"],
      [undefined, "v12.stomp,v11.stomp,v10.stomp"],
    ]);
  });

  it("is any object like a WebSocket, also one that is open already", async () => {
    const socket = new WebSocket(server.ws, ["v12.stomp"]);
    await once(socket, "open");
    const client = await connect(socket);
    const ended = client.closed;
    socket.terminate();
    assert.equal((await ended).code, "address", "there is no other");
    await echo(await connect(() => new WebSocket(server.ws, ["v12.stomp"])));
  });

  it("is SockJS, by whichever of its transports", async () => {
    const relay = sockjs.createServer({ log: () => {} });
    relay.on("connection", (connection) => {
      const back = net.connect(server.port, server.host);
      back.setEncoding("utf8");
      connection.on("data", (data) => back.write(data));
      connection.on("close", () => back.end());
      back.on("data", (data) => connection.write(data));
      back.on("error", () => {});
      back.on("close", () => connection.close());
    });
    const web = http.createServer();
    relay.installHandlers(web, { prefix: "/sockjs" });
    await once(web.listen(0, "127.0.0.1"), "listening");
    ends.push(() => (web.close(), web.closeAllConnections()));
    const foreign = `http://127.0.0.1:${web.address().port}/sockjs`;
    const url = new URL("sockjs", server.http).href;
    for (const own of [url, foreign]) {
      for (const transport of ["websocket", "xhr-streaming", "eventsource", "xhr-polling"]) {
        const open = () => new SockJS(own, null, { transports: [transport] });
        assert.equal(await classic(Stomp.over(open())), "Grüße 🦀");
        await echo(await connect(open));
        await echo(await connect(open), "x".repeat(100_000));
      }
    }
    // It carries text: bytes that are text go, others would arrive as something else.
    const client = await connect(() => new SockJS(url));
    await assert.rejects(client.publish("/queue/a", new Uint8Array([255])), /encod|valid/);
    await echo(client, new TextEncoder().encode("Grüße"));
  });

  it("is React Native's, which chops text off at NUL", async () => {
    // As its bridge does it: texts end at the first NUL, bytes are whole.
    class Chopping extends WebSocket {
      send(data) {
        super.send(typeof data === "string" ? data.split("\0")[0] : data);
      }
      set onmessage(callback) {
        super.onmessage = ({ data }) => callback({ data: typeof data === "string" ? data.split("\0")[0] : data });
      }
    }
    const navigator = Object.getOwnPropertyDescriptor(globalThis, "navigator");
    Object.defineProperty(globalThis, "navigator", { value: { product: "ReactNative" }, configurable: true });
    try {
      await echo(await connect(server.ws, { WebSocket: Chopping }));
      await echo(await connect(server.ws, { WebSocket: Chopping }), "x".repeat(100_000));
    } finally {
      delete globalThis.navigator;
      navigator && Object.defineProperty(globalThis, "navigator", navigator);
    }
  });
});
