// No memory grows: over a million messages by default, over ten million and 10,000 connections with
// STOMPBOX_SOAK=1.

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { describe, it } from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { Kind, Session } from "../dist/node/core.mjs";
import { skip, startServer } from "./server.mjs";

const full = Boolean(process.env.STOMPBOX_SOAK);
const MESSAGES = full ? 10_000_000 : 1_000_000;
const CONNECTIONS = full ? 10_000 : 300;

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc");

/** Bytes that are in use once all garbage is gone. */
function heap() {
  collect();
  collect();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

/** What the engine may keep for itself: compiled code, and caches that it fills by and by. */
const SLACK = 2 << 20;

const open = () => {
  const session = new Session({ versions: "1.2", outgoing: 0, incoming: 0, tolerance: 200 });
  session.feed("CONNECTED\nversion:1.2\n\n\0");
  assert.equal(session.next().kind, Kind.CONNECTED);
  session.transmit();
  return session;
};

describe("memory stays as it is", () => {
  it(`over ${MESSAGES} messages in and out, of all forms, with names that are made up`, () => {
    const session = open();
    const { memory } = session.core;
    const encoder = new TextEncoder();
    const large = "x".repeat(100_000);
    const round = (from, to) => {
      for (let at = from; at < to; at++) {
        const name = at % 16 ? "x-a" : `x-${at}`;
        const body = at % 4096 ? `{"n":${at}}\0é` : large;
        const length = at % 4096 ? encoder.encode(body).length : body.length;
        const text = `MESSAGE\nsubscription:s\nmessage-id:${at}\n${name}:a\\cb\ncontent-length:${length}\n\n${body}\0`;
        if (at % 8 === 1) {
          session.feed(encoder.encode(text));
        } else {
          session.feed(text.slice(0, 40));
          session.next();
          session.feed(text.slice(40));
        }
        if (session.next().body !== body) assert.fail(`message ${at}`);
        if (at % 4 === 0) {
          session.send("/a", { [name]: "b:c" }, body, true);
          session.transmit();
        }
      }
    };
    round(0, 100_000);
    const [wasm, before] = [memory.buffer.byteLength, heap()];
    round(100_000, MESSAGES);
    assert.equal(memory.buffer.byteLength, wasm);
    const grown = heap() - before;
    assert.ok(grown < SLACK, `${grown} bytes more`);
    session.close();
  });

  it(`over ${10 * CONNECTIONS} sessions, subscriptions and transactions`, () => {
    const round = (count) => {
      let session;
      for (let at = 0; at < count; at++) {
        session = open();
        session.subscribe(`s-${at}`, "/a", "client");
        session.begin(`t-${at}`);
        session.unsubscribe(`s-${at}`);
        session.commit(`t-${at}`);
        // Some end in the middle of a frame.
        session.feed(`MESSAGE\ncontent-length:1000\n\n${"x".repeat(500)}`);
        session.next();
        session.close();
      }
      return session.core.memory.buffer.byteLength;
    };
    const [wasm, before] = [round(1000), heap()];
    assert.equal(round(10 * CONNECTIONS), wasm);
    const grown = heap() - before;
    assert.ok(grown < SLACK, `${grown} bytes more`);
  });

  it(`over ${CONNECTIONS} connections to the broker`, { skip }, async () => {
    const Stomp = createRequire(import.meta.url)("../dist/stompbox.cjs");
    const server = await startServer();
    const connect = () =>
      new Promise((resolve, reject) => {
        const client = Stomp.overTCP(server.host, server.port);
        client.connect(
          "guest",
          "guest",
          () => {
            client.subscribe("/queue/soak", () => client.disconnect(resolve));
            client.send("/queue/soak", {}, "x");
          },
          reject,
        );
      });
    try {
      for (let at = 0; at < 100; at++) await connect();
      const before = heap();
      for (let at = 100; at < CONNECTIONS; at++) await connect();
      const grown = heap() - before;
      assert.ok(grown < SLACK, `${grown} bytes more`);
    } finally {
      await server.stop();
    }
  });
});
