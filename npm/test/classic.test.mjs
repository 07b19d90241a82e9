// What programs lean on, over a socket that the test plays.

import assert from "node:assert/strict";
import { stat } from "node:fs/promises";
import { createRequire } from "node:module";
import net from "node:net";
import { describe, it, mock } from "node:test";
import { Stomp as Root } from "../dist/esm/browser.mjs";
import { Stomp as Classic } from "../dist/esm/classic.mjs";
import { settle } from "./fake.mjs";

// The root's warns of sockets that are given.
mock.method(console, "warn", () => {});

class FakeSocket {
  readyState = 0;
  url = "ws://fake/";
  sent = [];
  send(data) {
    this.sent.push(typeof data === "string" ? data : new TextDecoder().decode(data));
  }
  close() {
    this.readyState = 3;
    this.onclose?.({ code: 1000 });
  }
  open() {
    this.readyState = 1;
    this.onopen({});
  }
  get(data) {
    this.onmessage({ data });
  }
}

/** Both have the same calls; `isRoot`: those of @stomp/stompjs too. */
for (const [face, Stomp, isRoot] of [["stompbox/classic", Classic, false], ["stompbox", Root, true]]) {
  describe(face, () => suite(Stomp, isRoot));
}

function suite(Stomp, isRoot) {
  function connected(version = "1.1") {
    const ws = new FakeSocket();
    const client = Stomp.over(ws);
    client.debug = null;
    const errors = [];
    client.connect("guest", "guest", () => {}, (error) => errors.push(error));
    ws.open();
    ws.get(`CONNECTED\nversion:${version}\n\n\0`);
    ws.sent.length = 0;
    return { ws, client, errors };
  }

  describe("connect", () => {
    const on = () => {};
    const client = Stomp.over(new FakeSocket());
    for (const [args, expected] of [
      [[{ a: 1 }, on], [{ a: 1 }, on, undefined]],
      [[{ a: 1 }, on, on], [{ a: 1 }, on, on]],
      [["l", "p", on], [{ login: "l", passcode: "p" }, on, undefined]],
      [["l", "p", on, on], [{ login: "l", passcode: "p" }, on, on]],
      [["l", "p", on, on, "h"], [{ login: "l", passcode: "p", host: "h" }, on, on]],
      [["l", "p", on, on, on], [{ login: "l", passcode: "p" }, on, on, on]],
      [[{ a: 1 }, on, on, on], [{ a: 1 }, on, on, on]],
    ]) {
      it(`takes ${args.map((arg) => typeof arg).join(", ")}`, () => {
        assert.deepEqual(client._parseConnect(...args), expected);
      });
    }

    it("works on a socket that is open already", async () => {
      const ws = new FakeSocket();
      ws.readyState = 1;
      const client = Stomp.over(ws);
      client.debug = null;
      client.connect({}, () => {});
      await Promise.resolve();
      assert.match(ws.sent[0], /^CONNECT\naccept-version:1\.0,1\.1\nheart-beat:10000,10000\n\n\0$/);
    });

    it("keeps the caller's headers as they are", () => {
      const ws = new FakeSocket();
      const headers = { login: "me" };
      const client = Stomp.over(ws);
      client.debug = null;
      client.connect(headers, () => {});
      ws.open();
      assert.deepEqual(headers, { login: "me" });
    });
  });

  describe("connect again", () => {
    it("does nothing while there is a connection", () => {
      const { ws, client } = connected();
      const lines = [];
      client.debug = (line) => lines.push(line);
      client.connect("guest", "guest", () => {});
      assert.deepEqual(ws.sent, []);
      assert.deepEqual(lines, ["Already ACTIVE, ignoring request to activate"]);
      assert.equal(client.connected, true);
    });

    it("makes a new socket, from the error callback or before a disconnect is done", async () => {
      const sockets = [];
      Stomp.WebSocketClass = class extends FakeSocket {
        constructor() {
          super();
          sockets.push(this);
        }
      };
      const client = Stomp.client("ws://fake/");
      client.debug = null;
      let losses = 0;
      const open = () => {
        sockets.at(-1).open();
        sockets.at(-1).get("CONNECTED\nversion:1.1\n\n\0");
      };
      const connect = () => client.connect({}, () => {}, () => (losses++, connect()));
      connect();
      open();
      sockets[0].close();
      assert.equal(losses, 1);
      open();
      assert.equal(client.connected, true);
      let calls = 0;
      client.disconnect(() => calls++);
      connect();
      await settle();
      assert.equal(calls, 1);
      open();
      assert.deepEqual([sockets.length, client.connected, losses], [3, true, 1]);
      delete Stomp.WebSocketClass;
    });
  });

  describe("the passcode", () => {
    const secret = "pa\u2028ss";

    it("is shown to nobody, and a body that looks like one is", () => {
      const ws = new FakeSocket();
      const client = Stomp.over(ws);
      const lines = [];
      client.debug = (line) => lines.push(line);
      client.connect("guest", secret, () => {});
      ws.open();
      ws.get("CONNECTED\nversion:1.1\n\n\0");
      assert.ok(ws.sent[0].includes(`\npasscode:${secret}\n`));
      assert.ok(lines.includes(`>>> ${ws.sent[0].replace(secret, "********")}`));
      client.send("/queue/a", {}, "\npasscode:of a recipe");
      assert.equal(lines.at(-1), `>>> ${ws.sent[1]}`);
    });

    it("is not in the error, if CONNECT can't hold it", () => {
      const ws = new FakeSocket();
      const client = Stomp.over(ws);
      client.debug = null;
      const errors = [];
      client.connect("guest", "first\nsecond", () => {}, (error) => errors.push(error));
      ws.open();
      assert.equal(errors[0].command, "ERROR");
      assert.match(errors[0].headers.message, /header "passcode" can't hold/);
      assert.match(errors[1], /^Whoops!/);
      assert.ok(!/first|second/.test(errors.join()));
    });
  });

  describe("debug", () => {
    it("may throw without harm to the frames", () => {
      const reported = [];
      globalThis.reportError = (error) => reported.push(error.message);
      const { ws, client } = connected();
      client.debug = () => {
        throw new Error("no such element");
      };
      client.send("/queue/a", {}, "x");
      delete globalThis.reportError;
      assert.equal(ws.sent.length, 1);
      assert.deepEqual(reported, ["no such element"]);
    });

    it("calls a heart-beat PONG, as text or bytes", () => {
      for (const beat of ["\n", Buffer.from("\n"), Uint8Array.of(10).buffer]) {
        const { ws, client } = connected();
        const lines = [];
        client.debug = (line) => lines.push(line);
        ws.get(beat);
        assert.equal(lines.at(-1), "<<< PONG");
      }
    });
  });

  describe("what programs of stomp.js lean on", () => {
    it("is a socket from the beginning on, with the program's own handlers", () => {
      const ws = new FakeSocket();
      const failures = [];
      const client = Stomp.over(ws);
      assert.equal(client.ws, ws);
      assert.equal(ws.binaryType, "arraybuffer");
      client.ws.onerror = (event) => failures.push(event);
      client.debug = null;
      client.connect({}, () => {});
      ws.onerror("refused");
      assert.deepEqual(failures, ["refused"]);
      let made;
      Stomp.WebSocketClass = class extends FakeSocket {
        constructor(...args) {
          super();
          made = args;
        }
      };
      assert.ok(Stomp.client("ws://b/").ws instanceof Stomp.WebSocketClass);
      assert.deepEqual(made, ["ws://b/", ["v10.stomp", "v11.stomp"]]);
      Stomp.client("ws://b/", "own");
      assert.deepEqual(made, ["ws://b/", "own"]);
      delete Stomp.WebSocketClass;
    });

    it("are arguments of connect that are not there", () => {
      const { client } = connected();
      const none = [{ login: undefined, passcode: undefined }, undefined, undefined];
      assert.deepEqual(client._parseConnect(), none);
      assert.deepEqual(client._parseConnect("l"), [{ ...none[0], login: "l" }, undefined, undefined]);
    });

    it("are the defaults", () => {
      const client = Stomp.over(new FakeSocket());
      const { outgoing, incoming } = client.heartbeat;
      assert.deepEqual([outgoing, incoming, client.maxWebSocketFrameSize], [10000, 10000, 16384]);
      assert.deepEqual([client.counter, client.connected, client.subscriptions], [0, false, {}]);
      const { V1_0, V1_1, V1_2 } = Stomp.VERSIONS;
      assert.deepEqual([V1_0, V1_1, V1_2], ["1.0", "1.1", "1.2"]);
      assert.equal(Stomp.VERSIONS.supportedVersions(), "1.1,1.0");
    });

    it("are versions and heart-beats that are looked up at connect", () => {
      const { supportedVersions } = Stomp.VERSIONS;
      Stomp.VERSIONS.supportedVersions = () => "1.2";
      const ws = new FakeSocket();
      const client = Stomp.over(ws);
      client.debug = null;
      client.heartbeat.outgoing = 0;
      client.heartbeat.incoming = 5000;
      client.connect({ "accept-version": "0.9", "heart-beat": "1,1" }, () => {});
      ws.open();
      Stomp.VERSIONS.supportedVersions = supportedVersions;
      assert.equal(ws.sent[0], "CONNECT\naccept-version:1.2\nheart-beat:0,5000\n\n\0");
    });

    it("is that connected is true in the connect callback, which gets the frame", () => {
      const ws = new FakeSocket();
      const client = Stomp.over(ws);
      client.debug = null;
      let seen;
      client.connect({}, (frame) => (seen = [client.connected, frame.command, frame.headers.server, frame.body]));
      ws.open();
      // A server may say nothing of heart-beats.
      ws.get("CONNECTED\nversion:1.1\nserver:x\n\n\0");
      assert.deepEqual(seen, [true, "CONNECTED", "x", ""]);
    });

    it("are ids of one counter, and those that it is given", () => {
      const { ws, client } = connected();
      const headers = { ack: "client" };
      const first = client.subscribe("/a", () => {}, headers);
      const transaction = client.begin();
      const second = client.subscribe("/b", () => {}, headers);
      const third = client.subscribe("/c", () => {}, { id: "own" });
      assert.deepEqual([first.id, transaction.id, second.id, third.id], ["sub-0", "tx-1", "sub-2", "own"]);
      assert.deepEqual([client.counter, headers], [3, { ack: "client" }]);
      assert.deepEqual(Object.keys(client.subscriptions), ["sub-0", "sub-2", "own"]);
      first.unsubscribe();
      assert.deepEqual(Object.keys(client.subscriptions), ["sub-2", "own"]);
      assert.equal(ws.sent.at(-1), "UNSUBSCRIBE\nid:sub-0\n\n\0");
      transaction.commit();
      client.begin("tx").abort();
      client.begin("again");
      client.abort("again");
      assert.deepEqual(ws.sent.slice(-5), [
        "COMMIT\ntransaction:tx-1\n\n\0",
        "BEGIN\ntransaction:tx\n\n\0",
        "ABORT\ntransaction:tx\n\n\0",
        "BEGIN\ntransaction:again\n\n\0",
        "ABORT\ntransaction:again\n\n\0",
      ]);
    });

    it("are ack and nack with headers of one's own", () => {
      const { ws, client } = connected();
      let message;
      client.subscribe("/a", (m) => (message = m), { ack: "client" });
      client.begin("t");
      ws.get("MESSAGE\nsubscription:sub-0\nmessage-id:7\n\nx\0");
      ws.sent.length = 0;
      message.ack({ transaction: "t", receipt: "r" });
      message.nack();
      client.ack("8", "sub-0", { receipt: "r" });
      client.nack("9", "sub-0");
      assert.deepEqual(ws.sent, [
        "ACK\nmessage-id:7\nsubscription:sub-0\ntransaction:t\nreceipt:r\n\n\0",
        "NACK\nmessage-id:7\nsubscription:sub-0\n\n\0",
        "ACK\nmessage-id:8\nsubscription:sub-0\nreceipt:r\n\n\0",
        "NACK\nmessage-id:9\nsubscription:sub-0\n\n\0",
      ]);
    });

    it("is what ack means on 1.2", () => {
      const { supportedVersions } = Stomp.VERSIONS;
      Stomp.VERSIONS.supportedVersions = () => "1.2,1.1";
      const { ws, client } = connected("1.2");
      Stomp.VERSIONS.supportedVersions = supportedVersions;
      let message;
      client.subscribe("/a", (m) => (message = m), { ack: "client" });
      ws.get("MESSAGE\nsubscription:sub-0\nmessage-id:7\nack:a7\n\nx\0");
      message.ack();
      assert.equal(ws.sent.at(-1), "ACK\nid:a7\n\n\0");
    });

    it("is a message whose body can be replaced", () => {
      const { ws, client } = connected();
      let seen;
      client.subscribe("/a", (m) => {
        m.body = JSON.parse(m.body);
        seen = m;
      });
      ws.get('MESSAGE\nsubscription:sub-0\nmessage-id:7\nn:1\n\n{"a":1}\0');
      assert.deepEqual(seen.body, { a: 1 });
      assert.equal(seen.headers.n, "1");
      assert.ok(Object.keys(seen).includes("body"));
      ws.get(new TextEncoder().encode('MESSAGE\nsubscription:sub-0\nmessage-id:7\n\n{"a":2}\0').buffer);
      assert.deepEqual(seen.body, { a: 2 });
    });

    it("are receipts for onreceipt", () => {
      const { ws, client } = connected();
      const seen = [];
      client.onreceipt = (frame) => seen.push(frame.headers["receipt-id"]);
      client.send("/a", { receipt: "r" }, "x");
      ws.get("RECEIPT\nreceipt-id:r\n\n\0");
      ws.get("RECEIPT\nreceipt-id:other\n\n\0");
      assert.deepEqual(seen, ["r", "other"]);
    });

    it("is an ERROR for the error callback, and then the text", () => {
      const { ws, errors } = connected();
      ws.get("ERROR\nmessage:no\n\nbecause\0");
      ws.close();
      assert.deepEqual([errors.length, errors[0].command, errors[0].headers.message], [2, "ERROR", "no"]);
      assert.equal(errors[0].body, "because");
      assert.equal(errors[1], "Whoops! Lost connection to ws://fake/");
    });

    it("are the debug lines", () => {
      const ws = new FakeSocket();
      const client = Stomp.over(ws);
      const lines = [];
      client.debug = (line) => lines.push(line);
      client.heartbeat = { outgoing: 40000, incoming: 30000 };
      client.connect({}, () => {}, () => {});
      ws.open();
      const answer = "CONNECTED\nversion:1.1\nserver:x\nheart-beat:1,1\n\n\0";
      ws.get(answer);
      client.send("/a", {}, "b");
      ws.get("\n");
      ws.get("MESSAGE\nsubscription:none\nmessage-id:1\n\nx\0");
      ws.get("STRANGE\n\n\0");
      client.maxWebSocketFrameSize = 20;
      client.send("/a", {}, "01234567890");
      const bytes = new TextEncoder().encode("MESSAGE\nsubscription:none\nmessage-id:1\n\nx\0");
      ws.get(bytes.buffer);
      ws.close();
      const ours = lines.filter((line) => !/^(Received data|Connection closed|Using run|Outgoing ping)/.test(line));
      assert.deepEqual(ours.map((line) => line.split("\0")[0]), [
        "Opening Web Socket...",
        "Web Socket Opened...",
        ">>> CONNECT\naccept-version:1.0,1.1\nheart-beat:40000,30000\n\n",
        "<<< CONNECTED\nversion:1.1\nserver:x\nheart-beat:1,1\n\n",
        "connected to server x",
        "send PING every 40000ms",
        "check PONG every 30000ms",
        ">>> SEND\ndestination:/a\ncontent-length:1\n\nb",
        "<<< PONG",
        "<<< MESSAGE\nsubscription:none\nmessage-id:1\n\nx",
        "Unhandled received MESSAGE: MESSAGE\nsubscription:none\nmessage-id:1\ncontent-length:1\n\nx",
        "<<< STRANGE\n\n",
        "Unhandled frame: STRANGE\n\n",
        ">>> SEND\ndestination:/a\ncontent-length:11\n\n01234567890",
        "remaining = 31",
        "remaining = 11",
        ...(isRoot ? [] : [`--- got data length: ${bytes.length}`]),
        "<<< MESSAGE\nsubscription:none\nmessage-id:1\n\nx",
        "Unhandled received MESSAGE: MESSAGE\nsubscription:none\nmessage-id:1\ncontent-length:1\n\nx",
        "Whoops! Lost connection to ws://fake/",
      ]);
    });

    it("is a disconnect before any connect, which closes the socket", async () => {
      const ws = new FakeSocket();
      const client = Stomp.over(ws);
      client.debug = null;
      await new Promise((resolve) => client.disconnect(resolve));
      assert.equal(ws.readyState, 3);
    });

    it("are frames that print themselves", () => {
      const { Frame } = Stomp;
      const frame = new Frame("SEND", { "content-length": 99, a: 1, b: "x" }, "é");
      assert.equal(String(frame), "SEND\na:1\nb:x\ncontent-length:2\n\né");
      assert.equal(String(new Frame("SEND", { "content-length": false }, "é")), "SEND\n\né");
      assert.equal(String(new Frame("SEND")), "SEND\n\n");
    });
  });

  describe("messages", () => {
    const message = (id, subscription, body = "") =>
      `MESSAGE\nsubscription:${subscription}\nmessage-id:${id}\n\n${body}\0`;

    it("come several in one socket message, each with its own ack", () => {
      const { ws, client } = connected();
      const seen = [];
      client.subscribe("/queue/a", (m) => seen.push(m), { ack: "client-individual" });
      ws.get(`\n${message("A", "sub-0", "1")}\n\n${message("B", "sub-0", "2")}`);
      assert.deepEqual(seen.map((m) => m.body), ["1", "2"]);
      ws.sent.length = 0;
      seen[0].ack();
      assert.equal(ws.sent[0], "ACK\nmessage-id:A\nsubscription:sub-0\n\n\0");
    });

    it("are answered on their own connection only", () => {
      const sockets = [];
      Stomp.WebSocketClass = class extends FakeSocket {
        constructor() {
          super();
          sockets.push(this);
        }
      };
      const client = Stomp.client("ws://fake/");
      const lines = [];
      client.debug = (line) => lines.push(line);
      const seen = [];
      const connect = () => {
        client.connect({}, () => client.subscribe("/queue/a", (m) => seen.push(m), { ack: "client" }));
        const ws = sockets.at(-1);
        ws.open();
        ws.get("CONNECTED\nversion:1.1\n\n\0");
        return ws;
      };
      const first = connect();
      first.get(message("A", "sub-0"));
      first.close();
      // A broker answers what it does not know by ERROR.
      seen[0].ack();
      const second = connect();
      second.sent.length = 0;
      seen[0].ack();
      seen[0].nack();
      assert.deepEqual(second.sent, []);
      assert.deepEqual(lines.slice(-2), ["ACK", "NACK"].map((name) => `${name} not sent: its connection has ended`));
      delete Stomp.WebSocketClass;
    });

    it("come one over several socket messages, cut anywhere, as text or bytes", () => {
      const whole = message("A", "sub-0", "äöü🦀");
      const bytes = new TextEncoder().encode(whole);
      for (let cut = 1; cut < bytes.length; cut++) {
        const { ws, client } = connected();
        const seen = [];
        client.subscribe("/queue/a", (m) => seen.push(m.body));
        ws.get(bytes.slice(0, cut).buffer);
        ws.get(bytes.slice(cut).buffer);
        assert.deepEqual(seen, ["äöü🦀"], `cut at ${cut}`);
      }
    });

    it("keep a U+FEFF that begins the body", () => {
      const { ws, client } = connected();
      let seen;
      client.subscribe("/queue/a", (m) => (seen = m.body));
      ws.get(message("A", "sub-0", "\uFEFFa"));
      assert.equal(seen, "\uFEFFa");
    });

    it("go on after a callback that throws", () => {
      const { ws, client } = connected();
      const seen = [];
      const reported = [];
      globalThis.reportError = (error) => reported.push(error.message);
      client.subscribe("/queue/a", (m) => {
        seen.push(m.body);
        throw new Error("the program's own");
      });
      ws.get(message("A", "sub-0", "1") + message("B", "sub-0", "2"));
      assert.deepEqual(seen, ["1", "2"]);
      delete globalThis.reportError;
      assert.deepEqual(reported, ["the program's own", "the program's own"]);
    });

    it("of no subscription go to onreceive, whatever their names", () => {
      const { ws, client } = connected();
      const seen = [];
      client.onreceive = (m) => seen.push(m.headers.subscription);
      ws.get(message("A", "gone") + message("B", "constructor") + message("C", "__proto__"));
      assert.deepEqual(seen, ["gone", "constructor", "__proto__"]);
    });

    it("keep the first of repeated headers and all escapes", () => {
      const { ws, client } = connected();
      let seen;
      client.subscribe("/queue/a", (m) => (seen = m));
      ws.get("MESSAGE\nsubscription:sub-0\nmessage-id:1\nx:C\\c\\\\new\nx:later\n\n\0");
      assert.equal(seen.headers.x, "C:\\new");
    });
  });

  describe("send", () => {
    it("writes content-length, unless it is false", () => {
      const { ws, client } = connected();
      client.send("/queue/a", { x: "1" }, "ä");
      client.send("/queue/a", { "content-length": false }, "ä");
      assert.deepEqual(ws.sent, [
        "SEND\ndestination:/queue/a\nx:1\ncontent-length:2\n\nä\0",
        "SEND\ndestination:/queue/a\n\nä\0",
      ]);
    });

    it("splits at characters only", () => {
      const { ws, client } = connected();
      client.maxWebSocketFrameSize = 7;
      client.send("/queue/a", {}, "🦀".repeat(50));
      assert.ok(ws.sent.length > 10);
      assert.ok(ws.sent.every((piece) => piece.length <= 7 && piece.isWellFormed?.() !== false));
      assert.ok(ws.sent.join("").endsWith("🦀".repeat(50) + "\0"));
    });

    // @stomp/stompjs does not.
    it("splits bytes too", { skip: isRoot }, () => {
      const { ws, client } = connected();
      const sent = [];
      ws.send = (data) => sent.push(data);
      client.maxWebSocketFrameSize = 100;
      client.send("/queue/a", {}, new Uint8Array(1000).fill(0xff));
      assert.ok(sent.length > 10 && sent.every((piece) => piece.length <= 100));
      const whole = Buffer.concat(sent);
      assert.ok(whole.toString("latin1").endsWith("\xff".repeat(1000) + "\0"));
    });

    it("does not let the core's memory grow with what has gone by", () => {
      const body = "x".repeat(100_000);
      const round = () => {
        const { ws, client } = connected();
        client.subscribe("/queue/a", (m) => assert.equal(m.body, body));
        client.send("/queue/a", {}, body);
        ws.get(`MESSAGE\nsubscription:sub-0\nmessage-id:1\n\n${body}\0`);
        const { session } = isRoot ? client._connection : client.connection;
        const size = session.core.memory.buffer.byteLength;
        ws.close();
        return size;
      };
      for (let warm = 0; warm < 20; warm++) round();
      const size = round();
      for (let more = 0; more < 300; more++) round();
      assert.equal(round(), size);
    });

    it("can't be made to inject a header or a frame", () => {
      const { ws, client } = connected();
      client.send("/queue/a", { "x\ny": "1\n\n\\evil:2" }, "");
      assert.deepEqual(ws.sent, ["SEND\ndestination:/queue/a\nx\\ny:1\\n\\n\\\\evil\\c2\n\n\0"]);
      assert.throws(() => client.send("/queue/a", { x: "\0" }, ""), /NUL/);
    });

    it("throws before there is a connection", () => {
      const client = Stomp.over(new FakeSocket());
      assert.throws(() => client.send("/queue/a", {}, ""), /not connected|no underlying STOMP connection/);
    });
  });

  describe("unsubscribe", () => {
    it("leaves an id that it does not know to the server", () => {
      const { ws, client } = connected();
      client.unsubscribe("/queue/a");
      assert.deepEqual(ws.sent, ["UNSUBSCRIBE\nid:/queue/a\n\n\0"]);
    });
  });

  describe("Stomp.Frame", () => {
    it("marshalls and unmarshalls", () => {
      const text = Stomp.Frame.marshall("SEND", { destination: "/queue/a" }, "hällo");
      assert.equal(text, "SEND\ndestination:/queue/a\ncontent-length:6\n\nhällo\0");
      const frames = Stomp.Frame.unmarshall(text + "\n" + text + "SEND\nx");
      assert.equal(frames.length, 2);
      assert.equal(frames.frames, frames);
      assert.equal(frames.partial, "SEND\nx");
      assert.equal(frames[0].command, "SEND");
      assert.equal(frames[1].body, "hällo");
    });

    it("counts UTF-8", () => {
      assert.equal(Stomp.Frame.sizeOfUTF8(undefined), 0);
      assert.equal(Stomp.Frame.sizeOfUTF8("a€"), 4);
      assert.equal(Stomp.Frame.sizeOfUTF8(0.25), 4);
    });
  });

  describe("the end of a connection", () => {
    it("is a text for the error callback, once", () => {
      const { ws, client, errors } = connected();
      ws.close();
      assert.deepEqual(errors, ["Whoops! Lost connection to ws://fake/"]);
      assert.equal(client.connected, false);
    });

    it("is no error after disconnect, which always calls back", async () => {
      const { ws, client, errors } = connected();
      const done = new Promise((resolve) => client.disconnect(resolve));
      const [, id] = /^DISCONNECT\nreceipt:(close-\d)\n\n\0$/.exec(ws.sent[0]);
      ws.get(`RECEIPT\nreceipt-id:${id}\n\n\0`);
      await done;
      assert.deepEqual(errors, []);
    });

    it("calls back each disconnect once, whenever it is asked for", async () => {
      // Twice.
      const { ws, client } = connected();
      const receipts = [];
      client.onreceipt = (frame) => receipts.push(frame.headers["receipt-id"]);
      let calls = 0;
      client.disconnect(() => calls++);
      client.disconnect(() => calls++);
      const [, id] = /receipt:(.*)/.exec(ws.sent[0]);
      ws.get(`RECEIPT\nreceipt-id:${id}\n\n\0`);
      await settle();
      assert.equal(calls, 2);
      assert.deepEqual(receipts, [], "of a receipt that the program did not ask for");
      // Before CONNECTED, and after an ERROR.
      for (const data of [undefined, "ERROR\nmessage:no\n\n\0"]) {
        const ws = new FakeSocket();
        const client = Stomp.over(ws);
        client.debug = null;
        client.connect("a", "b", () => {});
        ws.open();
        if (data) ws.get(data);
        let calls = 0;
        client.disconnect(() => calls++);
        assert.equal(ws.readyState, 3);
        await settle();
        assert.equal(calls, 1);
      }
      // Before a TCP connection is open: it never is.
      const server = net.createServer((socket) => socket.on("error", () => {})).listen(0, "127.0.0.1");
      await new Promise((resolve) => server.once("listening", resolve));
      const { Stomp: NodeStomp } = createRequire(import.meta.url)("../dist/stompbox.cjs");
      const tcp = NodeStomp.overTCP("127.0.0.1", server.address().port);
      const lines = [];
      tcp.debug = (line) => lines.push(line);
      tcp.connect("a", "b", () => {});
      const closed = new Promise((resolve) => tcp.ws.socket.once("close", resolve));
      await new Promise((resolve) => tcp.disconnect(resolve));
      await closed;
      server.close();
      assert.equal(lines[0], "Opening Web Socket...");
      assert.ok(!lines.includes("Web Socket Opened..."));
    });

    it("comes when the server is silent, by the program's own timers", () => {
      const { setInterval, clearInterval } = Stomp;
      const timers = [];
      Stomp.setInterval = (interval, callback) => timers.push({ interval, callback });
      Stomp.clearInterval = () => {};
      try {
        const ws = new FakeSocket();
        const client = Stomp.over(ws);
        client.debug = null;
        client.heartbeat = { outgoing: 500, incoming: 1 };
        let error;
        client.connect("a", "b", () => {}, (e) => (error = e));
        ws.open();
        ws.get("CONNECTED\nversion:1.1\nheart-beat:1,500\n\n\0");
        assert.deepEqual(timers.map((timer) => timer.interval), [500, 1]);
        timers[0].callback();
        assert.equal(ws.sent.at(-1), "\n");
        const end = performance.now() + 5;
        while (performance.now() < end);
        timers[1].callback();
        assert.equal(error, undefined, "a late tick may mean that this host slept");
        timers[1].callback();
        assert.match(error, /^Whoops!/);
      } finally {
        Object.assign(Stomp, { setInterval, clearInterval });
      }
    });
  });
}

describe("the script-tag file", () => {
  it("exports Stomp to CommonJS, as the old lib/stomp.js", () => {
    const require = createRequire(import.meta.url);
    for (const name of ["stompbox/stomp.js", "stompbox/stomp.min.js"]) {
      const loaded = require(name);
      assert.equal(loaded.Stomp.VERSIONS.V1_1, "1.1");
      assert.equal(globalThis.Stomp, undefined);
    }
  });
});

describe("the package", () => {
  it("has every file that package.json names", async () => {
    const require = createRequire(import.meta.url);
    const { exports, main, module, types } = require("../package.json");
    const leaves = (value) =>
      typeof value === "string" ? [value] : Object.values(value).flatMap(leaves);
    for (const file of new Set([main, module, types, ...leaves(exports)])) {
      assert.ok((await stat(new URL(`../${file}`, import.meta.url))).isFile(), file);
    }
  });
});
