// The face of @stomp/stompjs, over a socket that the test plays: what programs lean on, and what
// @stomp/stompjs 7.5 gets wrong.

import assert from "node:assert/strict";
import { describe, it, mock } from "node:test";
import {
  ActivationState,
  Client,
  CompatClient,
  FrameImpl,
  Parser,
  ReconnectionTimeMode,
  Stomp,
  StompConfig,
  StompHeaders,
  StompSocketState,
  TickerStrategy,
  Versions,
} from "../dist/esm/client.mjs";
import { Stomp as Root } from "../dist/esm/browser.mjs";
import { FakeSocket, settle } from "./fake.mjs";

/** A client on sockets that the test plays; what it says is in `lines`. */
function onFakes(options = {}) {
  const sockets = [];
  const lines = [];
  const client = new Client({
    webSocketFactory: () => (sockets.push(new FakeSocket()), sockets.at(-1)),
    debug: (line) => lines.push(line),
    reconnectDelay: 0,
    ...options,
  });
  return { client, sockets, lines };
}

async function connected(options, version = "1.2", more = "") {
  const all = onFakes(options);
  all.client.activate();
  await settle();
  const [socket] = all.sockets;
  socket.open();
  socket.get(`CONNECTED\nversion:${version}\nserver:fake/1\n${more}\n\0`);
  return { ...all, socket };
}

describe("exports", () => {
  it("has the enumerations and defaults", () => {
    assert.deepEqual([ActivationState.ACTIVE, ActivationState[1], ActivationState.INACTIVE], [0, "DEACTIVATING", 2]);
    assert.equal(ReconnectionTimeMode.EXPONENTIAL, 1);
    assert.deepEqual(TickerStrategy, { Interval: "interval", Worker: "worker" });
    assert.deepEqual(
      ["CONNECTING", "OPEN", "CLOSING", "CLOSED"].map((name) => StompSocketState[name]),
      [0, 1, 2, 3],
    );
    assert.equal(Versions.default.supportedVersions(), "1.2,1.1,1.0");
    assert.deepEqual(Versions.default.protocolVersions(), ["v12.stomp", "v11.stomp", "v10.stomp"]);
    assert.ok(new StompConfig() && new StompHeaders());
    const client = new Client();
    assert.equal(client.state, ActivationState.INACTIVE);
    assert.equal(client.active, false);
    assert.equal(client.connected, false);
    assert.equal(client.webSocket, undefined);
    assert.equal(client.connectedVersion, undefined);
    assert.equal(client.reconnectDelay, 5000);
    assert.equal(client.maxReconnectDelay, 900000);
    assert.equal(client.connectionTimeout, 0);
    assert.deepEqual([client.heartbeatIncoming, client.heartbeatOutgoing], [10000, 10000]);
    assert.equal(client.heartbeatToleranceMultiplier, 2);
    assert.equal(client.maxWebSocketChunkSize, 8192);
    assert.deepEqual(client.connectHeaders, {});
    assert.deepEqual(client.disconnectHeaders, {});
    assert.equal(client.onConnect(), undefined);
  });
});

describe("connecting", () => {
  it("says what it does, in the known words", async () => {
    const { client, socket, lines } = await connected(
      { connectHeaders: { login: "guest", passcode: "secret" } },
      "1.2",
      "heart-beat:20000,0\n",
    );
    assert.equal(client.connected, true);
    assert.equal(client.connectedVersion, "1.2");
    assert.match(socket.texts[0], /^CONNECT\n/);
    assert.match(socket.texts[0], /\nheart-beat:10000,10000\n/);
    assert.match(socket.texts[0], /\nlogin:guest\npasscode:secret\n/);
    await client.deactivate({ force: true });
    const [opening, opened, connect, received, frame, ...rest] = lines;
    assert.deepEqual([opening, opened, received], ["Opening Web Socket...", "Web Socket Opened...", "Received data"]);
    assert.match(connect, /^>>> CONNECT\n/);
    assert.match(frame, /^<<< CONNECTED\nversion:1.2\n/);
    assert.ok(!lines.join().includes("secret"));
    assert.deepEqual(rest, [
      "connected to server fake/1",
      "check PONG every 20000ms",
      rest[2],
      "Connection closed to ws://fake/",
    ]);
    assert.match(rest[2], /^Discarded socket closed after \d+ms, with code\/reason: 1000\/$/);
  });

  it("leaves the user's headers as they are", async () => {
    const connectHeaders = { login: "a", "heart-beat": "1,1", "accept-version": "9" };
    const before = { ...connectHeaders };
    const { socket } = await connected({ connectHeaders });
    assert.deepEqual(connectHeaders, before);
    assert.match(socket.texts[0], /\nheart-beat:10000,10000\n/);
    assert.doesNotMatch(socket.texts[0], /accept-version:9|heart-beat:1,1/);
  });

  it("takes a socket that is open already", async () => {
    const socket = new FakeSocket();
    socket.readyState = 1;
    const { client } = onFakes({ webSocketFactory: () => socket });
    client.activate();
    await settle();
    assert.match(socket.texts[0], /^CONNECT\n/);
  });

  it("tells of a beforeConnect that fails, and tries again", async () => {
    let attempts = 0;
    const errors = [];
    const { client, sockets } = onFakes({
      reconnectDelay: 1,
      beforeConnect: async () => {
        if (++attempts === 1) {
          throw new Error("no token");
        }
      },
      onWebSocketError: (event) => errors.push(event.message),
    });
    client.activate();
    while (!sockets.length) {
      await settle();
    }
    assert.deepEqual(errors, ["no token"]);
    await client.deactivate();
  });

  it("tells of a missing URL, and is inactive if it does not try again", async () => {
    const errors = [];
    const client = new Client({ reconnectDelay: 0, onWebSocketError: ({ error }) => errors.push(error.message) });
    client.activate();
    await settle();
    assert.deepEqual(errors, ["Either brokerURL or webSocketFactory must be provided"]);
    assert.equal(client.state, ActivationState.INACTIVE);
  });

  it("tells of an option that there is not", () => {
    const { lines } = onFakes({ orceBinaryWSFrames: true });
    assert.deepEqual(lines, ["Warning: there is no option orceBinaryWSFrames"]);
  });

  it("closes a connection that is not established in time", async () => {
    const closed = [];
    const { client, lines } = onFakes({ connectionTimeout: 5, onWebSocketClose: ({ code }) => closed.push(code) });
    client.activate();
    while (!closed.length) {
      await settle();
    }
    assert.ok(lines.includes("Connection not established in 5ms, closing socket"));
    assert.ok(lines.includes("Issuing close on the websocket"));
  });

  it("lets delays grow, and no further than the most", async () => {
    mock.timers.enable({ apis: ["setTimeout"] });
    try {
      const { client, sockets, lines } = onFakes({
        reconnectDelay: 40,
        maxReconnectDelay: 100,
        reconnectTimeMode: ReconnectionTimeMode.EXPONENTIAL,
      });
      const delays = () => lines.flatMap((line) => line.match(/^STOMP: scheduling reconnection in (\d+)ms$/)?.[1] ?? []);
      client.activate();
      for (const delay of [40, 80, 100, 100]) {
        await settle();
        sockets.at(-1).end();
        assert.equal(Number(delays().at(-1)), delay);
        mock.timers.tick(delay);
      }
      await settle();
      sockets.at(-1).open();
      sockets.at(-1).get("CONNECTED\nversion:1.2\n\n\0");
      sockets.at(-1).end();
      assert.equal(delays().at(-1), "40");
      await client.deactivate();
      client.configure({ reconnectDelay: 40, maxReconnectDelay: 20 });
      assert.equal(
        lines.at(-1),
        "Warning: maxReconnectDelay (20ms) is less than reconnectDelay (40ms). Using reconnectDelay as the maxReconnectDelay delay.",
      );
      assert.equal(client.maxReconnectDelay, 40);
    } finally {
      mock.timers.reset();
    }
  });
});

describe("deactivating", () => {
  it("waits for the receipt and the close", async () => {
    const seen = [];
    const { client, socket } = await connected({
      disconnectHeaders: { note: "bye" },
      onDisconnect: (frame) => seen.push(frame.headers["receipt-id"]),
      onWebSocketClose: () => seen.push(client.state),
      onChangeState: (state) => seen.push(`state ${state}`),
    });
    const done = client.deactivate();
    const again = client.deactivate();
    assert.equal(socket.texts.at(-1), "DISCONNECT\nnote:bye\nreceipt:close-0\n\n\0");
    client.activate();
    client.deactivate();
    socket.get("RECEIPT\nreceipt-id:close-0\n\n\0");
    await Promise.all([done, again]);
    assert.deepEqual(seen.filter((each) => !/^state/.test(each)), ["close-0", 2]);
    assert.equal(client.connected, false);
  });

  it("activates again once it is done", async () => {
    const { client, sockets, socket, lines } = await connected();
    client.deactivate();
    client.activate();
    assert.equal(lines.at(-1), "Deactivation in progress, will activate once deactivation completes");
    socket.get("RECEIPT\nreceipt-id:close-0\n\n\0");
    await settle();
    assert.equal(sockets.length, 2);
    assert.equal(client.active, true);
    await client.deactivate();
  });

  it("discards a socket that does not close", async () => {
    mock.timers.enable({ apis: ["setTimeout"] });
    try {
      const codes = [];
      const { client, socket } = await connected({ onWebSocketClose: ({ code }) => codes.push(code) });
      socket.closes = false;
      const done = client.deactivate();
      mock.timers.tick(2000);
      mock.timers.tick(2000);
      await done;
      assert.deepEqual(codes, [4001]);
    } finally {
      mock.timers.reset();
    }
  });

  it("discards the socket by force", async () => {
    const seen = [];
    const { client, socket } = await connected({
      onDisconnect: () => seen.push("disconnect"),
      onWebSocketClose: ({ code, wasClean }) => seen.push(code, wasClean),
    });
    await client.deactivate({ force: true });
    assert.deepEqual(seen, [4001, false]);
    assert.equal(socket.readyState, 3);
    await client.deactivate({ force: true });
  });

  it("does nothing before it is connected", async () => {
    const { client, sockets } = onFakes();
    client.activate();
    await client.deactivate();
    assert.equal(client.state, ActivationState.INACTIVE);
    await settle();
    assert.equal(sockets.length, 0);
    assert.throws(() => client.publish({ destination: "/a" }), TypeError("There is no underlying STOMP connection"));
    assert.throws(() => client.subscribe("/a", () => {}), TypeError);
  });
});

describe("sending", () => {
  it("writes a content-length once", async () => {
    const { client, socket } = await connected();
    client.publish({ destination: "/a", headers: { "content-length": "3" }, body: "abc" });
    assert.equal(socket.texts.at(-1).match(/content-length/g).length, 1);
    client.publish({ destination: "/a", body: "abc", skipContentLengthHeader: true });
    assert.equal(socket.texts.at(-1), "SEND\ndestination:/a\n\nabc\0");
  });

  it("leaves headers out that have no value", async () => {
    const { client, socket } = await connected();
    client.publish({ destination: "/a", headers: { u: undefined, n: null, z: 0 } });
    assert.equal(socket.texts.at(-1), "SEND\ndestination:/a\nz:0\n\n\0");
  });

  it("escapes names and values, as the version wants", async () => {
    const { client, socket } = await connected();
    client.publish({ destination: "/a", headers: { "x\nevil": "C:\\new\r\n" } });
    assert.equal(socket.texts.at(-1), "SEND\ndestination:/a\nx\\nevil:C\\c\\\\new\\r\\n\n\n\0");
    const old = await connected({}, "1.1");
    old.client.publish({ destination: "/a", headers: { path: "C:\\new\n" } });
    assert.equal(old.socket.texts.at(-1), "SEND\ndestination:/a\npath:C\\c\\\\new\\n\n\n\0");
  });

  it("refuses an object for a body", async () => {
    const { client } = await connected();
    assert.throws(() => client.publish({ destination: "/a", body: { a: 1 } }), /body is an object/);
  });

  it("sends bytes as they are", async () => {
    const { client, socket } = await connected();
    client.publish({ destination: "/a", binaryBody: Uint8Array.of(0, 255, 0) });
    const head = new TextEncoder().encode("SEND\ndestination:/a\ncontent-length:3\n\n");
    assert.deepEqual([...socket.sent.at(-1)], [...head, 0, 255, 0, 0]);
  });

  it("sends all as bytes when asked", async () => {
    const { client, socket } = await connected({ forceBinaryWSFrames: true });
    client.publish({ destination: "/a", body: "ä" });
    assert.ok(socket.sent.every((data) => data instanceof Uint8Array));
    assert.match(socket.texts.at(-1), /ä\0$/);
  });

  it("splits between characters, and only text", async () => {
    const { client, socket, lines } = await connected({ splitLargeFrames: true, maxWebSocketChunkSize: 40 });
    const from = socket.sent.length;
    const body = "😀".repeat(50);
    client.publish({ destination: "/a", body });
    const pieces = socket.sent.slice(from);
    assert.ok(pieces.length > 2);
    assert.ok(pieces.every((piece) => piece.length <= 40 && piece.isWellFormed()));
    assert.ok(pieces.join("").endsWith(`${body}\0`));
    assert.equal(lines.at(-1), `chunk sent = ${pieces.at(-1).length}, remaining = 0`);
    client.publish({ destination: "/a", binaryBody: new Uint8Array(100) });
    assert.ok(socket.sent.at(-1).length > 100);
  });

  it("begins, commits and aborts transactions", async () => {
    const { client, socket } = await connected();
    const first = client.begin();
    assert.equal(first.id, "tx-0");
    client.publish({ destination: "/a", headers: { transaction: first.id }, body: "x" });
    first.commit();
    client.begin("mine").abort();
    assert.deepEqual(
      socket.texts.slice(1).map((text) => text.split("\n")[0]),
      ["BEGIN", "SEND", "COMMIT", "BEGIN", "ABORT"],
    );
  });
});

describe("receiving", () => {
  it("gives messages to their subscription, and answers them", async () => {
    const { client, socket } = await connected();
    const messages = [];
    const subscription = client.subscribe("/a", (message) => messages.push(message), { ack: "client" });
    assert.equal(subscription.id, "sub-0");
    socket.get("MESSAGE\nsubscription:sub-0\nmessage-id:7\nack:x7\ndestination:/a\npath:C\\c\\\\new\n\nä\0");
    const [message] = messages;
    assert.equal(message.command, "MESSAGE");
    assert.equal(message.headers.path, "C:\\new");
    assert.equal(message.body, "ä");
    assert.deepEqual([...message.binaryBody], [195, 164]);
    message.ack({ receipt: "r" });
    assert.equal(socket.texts.at(-1), "ACK\nid:x7\nreceipt:r\n\n\0");
    message.nack();
    assert.equal(socket.texts.at(-1), "NACK\nid:x7\n\n\0");
    subscription.unsubscribe({ persistent: true });
    assert.equal(socket.texts.at(-1), "UNSUBSCRIBE\nid:sub-0\npersistent:true\n\n\0");
    const old = await connected({}, "1.1");
    old.client.subscribe("/a", (each) => each.ack(), { id: "mine", ack: "client" });
    old.socket.get("MESSAGE\nsubscription:mine\nmessage-id:7\ndestination:/a\n\n\0");
    assert.equal(old.socket.texts.at(-1), "ACK\nmessage-id:7\nsubscription:mine\n\n\0");
  });

  it("says that a message without an ack header can't be answered", async () => {
    const { client, socket, lines } = await connected();
    client.subscribe("/a", (message) => message.ack());
    socket.get("MESSAGE\nsubscription:sub-0\nmessage-id:7\ndestination:/a\n\n\0");
    assert.equal(lines.at(-1), "ACK not sent: the message has no ack header");
  });

  it("does not answer a message on another connection than its own", async () => {
    const { client, sockets, lines } = await connected();
    let message;
    client.subscribe("/a", (each) => (message = each), { ack: "client" });
    sockets[0].get("MESSAGE\nsubscription:sub-0\nmessage-id:7\nack:7\ndestination:/a\n\n\0");
    await client.deactivate({ force: true });
    client.activate();
    await settle();
    sockets[1].open();
    sockets[1].get("CONNECTED\nversion:1.2\n\n\0");
    message.ack();
    assert.equal(lines.at(-1), "ACK not sent: its connection has ended");
    assert.equal(sockets[1].sent.length, 1);
    await client.deactivate({ force: true });
  });

  it("tells of a bad content-length instead of waiting for ever", async () => {
    for (const length of ["abc", "-1", ""]) {
      const errors = [];
      const { client, socket } = await connected({ onStompError: ({ headers }) => errors.push(headers.message) });
      client.subscribe("/a", () => {});
      socket.get(`MESSAGE\nsubscription:sub-0\nmessage-id:7\ndestination:/a\ncontent-length:${length}\n\nabc\0`);
      assert.deepEqual(errors, ["the server sent a content-length that is no number, or another than before"]);
      assert.equal(client.connected, false);
    }
  });

  it("tells of an undefined escape", async () => {
    const errors = [];
    const { client, socket } = await connected({ onStompError: ({ headers }) => errors.push(headers.message) });
    client.subscribe("/a", () => {});
    socket.get("MESSAGE\nsubscription:sub-0\nmessage-id:7\ndestination:\\t\n\n\0");
    assert.equal(errors.length, 1);
  });

  it("gives headers exactly", async () => {
    const { client, socket } = await connected();
    let headers;
    client.subscribe("/a", (message) => ({ headers } = message));
    socket.get("MESSAGE\r\nsubscription:sub-0\nmessage-id:7\ndestination:/a\nx: b \\\\n \nx:2\n\n\0");
    assert.equal(headers.x, " b \\n ");
  });

  it("takes names of Object's for what they are", async () => {
    const unhandled = [];
    const { socket } = await connected({
      onUnhandledMessage: ({ headers }) => unhandled.push(headers.subscription),
      onUnhandledFrame: ({ command }) => unhandled.push(command),
      onUnhandledReceipt: ({ headers }) => unhandled.push(headers["receipt-id"]),
    });
    socket.get("MESSAGE\nsubscription:constructor\nmessage-id:1\ndestination:/a\n\n\0");
    socket.get("RECEIPT\nreceipt-id:toString\n\n\0");
    assert.deepEqual(unhandled, ["constructor", "toString"]);
  });

  it("watches for receipts, once, and tells when they are lost", async () => {
    const seen = [];
    const { client, socket } = await connected({ onUnhandledReceipt: () => seen.push("unhandled") });
    client.watchForReceipt("a", (frame) => seen.push(frame.headers["receipt-id"]));
    client.watchForReceipt("b", () => seen.push("b"), () => seen.push("lost b"));
    socket.get("RECEIPT\nreceipt-id:a\n\n\0");
    socket.get("RECEIPT\nreceipt-id:a\n\n\0");
    socket.end();
    assert.deepEqual(seen, ["a", "unhandled", "lost b"]);
  });

  it("adds the NUL that React Native chops off", async () => {
    const { client, sockets } = onFakes({ appendMissingNULLonIncoming: true });
    client.activate();
    await settle();
    sockets[0].open();
    sockets[0].get("CONNECTED\nversion:1.2\n\n");
    assert.equal(client.connected, true);
    sockets[0].get("\n");
    let body;
    client.subscribe("/a", (message) => ({ body } = message));
    const head = "MESSAGE\nsubscription:sub-0\nmessage-id:1\ndestination:/a\n";
    sockets[0].get(`${head}\nhi`);
    assert.equal(body, "hi");
    for (const sent of ["ä", "ä\n", "\n", "a\n\nb"]) {
      const counted = `${head}content-length:${Buffer.byteLength(sent)}\na:b\n\n${sent}`;
      sockets[0].get(counted);
      assert.equal(body, sent);
      body = undefined;
      // RabbitMQ ends frames with a line end.
      sockets[0].get(`${counted}\n`);
      assert.equal(body, sent);
      body = undefined;
    }
    assert.equal(client.connected, true);
  });

  it("isolates callbacks, and reports what they throw", async () => {
    const reported = [];
    globalThis.reportError = (error) => reported.push(error.message);
    try {
      const bodies = [];
      const { client, socket } = await connected({
        onConnect: () => {
          throw new Error("in onConnect");
        },
      });
      client.subscribe("/a", ({ body }) => {
        bodies.push(body);
        throw new Error(`in ${body}`);
      });
      const message = (body) => `MESSAGE\nsubscription:sub-0\nmessage-id:1\ndestination:/a\n\n${body}\0`;
      socket.get(message("1") + message("2"));
      assert.deepEqual(bodies, ["1", "2"]);
      assert.deepEqual(reported, ["in onConnect", "in 1", "in 2"]);
    } finally {
      delete globalThis.reportError;
    }
  });

  it("is not connected after an ERROR", async () => {
    const bodies = [];
    const { client, socket } = await connected({ onStompError: ({ body }) => bodies.push(body) });
    socket.get("ERROR\nmessage:no\n\nwhy\0");
    assert.deepEqual(bodies, ["why"]);
    assert.equal(client.connected, false);
    await client.deactivate();
  });

  it("begins its ids again on each connection", async () => {
    const { client, sockets } = await connected({ reconnectDelay: 1 });
    assert.equal(client.subscribe("/a", () => {}).id, "sub-0");
    sockets[0].end();
    while (sockets.length < 2) {
      await settle();
    }
    sockets[1].open();
    sockets[1].get("CONNECTED\nversion:1.2\n\n\0");
    assert.equal(client.subscribe("/a", () => {}).id, "sub-0");
    await client.deactivate({ force: true });
  });
});

describe("heart-beats", () => {
  it("tells once of a server that is silent", async () => {
    for (const discardWebsocketOnCommFailure of [false, true]) {
      let lost = 0;
      const closed = new Promise((resolve) => {
        connected(
          {
            heartbeatIncoming: 10,
            heartbeatStrategy: TickerStrategy.Interval,
            discardWebsocketOnCommFailure,
            onHeartbeatLost: () => lost++,
            onWebSocketClose: resolve,
          },
          "1.2",
          "heart-beat:10,0\n",
        );
      });
      assert.equal((await closed).code, discardWebsocketOnCommFailure ? 4001 : 1000);
      assert.equal(lost, 1);
    }
  });

  it("sends, and tells of those that come", async () => {
    let received = 0;
    const { client, socket, lines } = await connected(
      { heartbeatOutgoing: 5, onHeartbeatReceived: () => received++ },
      "1.2",
      "heart-beat:0,5\n",
    );
    while (socket.sent.length < 3) {
      await settle();
    }
    assert.equal(socket.sent.at(-1), "\n");
    socket.get("\n");
    assert.equal(received, 1);
    await client.deactivate({ force: true });
    const told = lines.filter((line) => /outgoing ping/i.test(line));
    assert.deepEqual(told, ["Using runInterval for outgoing pings", "Outgoing ping disposeInterval"]);
  });
});

describe("the compatible client", () => {
  const onFake = () => {
    const socket = new FakeSocket();
    const client = Stomp.over(() => socket);
    client.debug = () => {};
    return { client, socket };
  };
  const connect = async ({ client, socket }, ...args) => {
    client.connect(...args);
    await settle();
    socket.open();
    socket.get("CONNECTED\nversion:1.2\n\n\0");
  };

  it("has the known names", async () => {
    const all = onFake();
    const { client, socket } = all;
    assert.ok(client instanceof CompatClient && client instanceof Client);
    client.reconnect_delay = 5;
    assert.equal(client.reconnectDelay, 5);
    client.reconnect_delay = 0;
    client.heartbeat.outgoing = 0;
    client.heartbeat = { incoming: 1, outgoing: 2 };
    assert.deepEqual([client.heartbeatIncoming, client.heartbeatOutgoing, client.heartbeat.incoming], [1, 2, 1]);
    client.heartbeat = { incoming: 0, outgoing: 0 };
    const seen = [];
    await connect(all, "guest", "guest", (frame) => seen.push(frame.command));
    assert.deepEqual(seen, ["CONNECTED"]);
    assert.equal(client.ws, socket);
    assert.equal(client.version, "1.2");
    client.onreceive = ({ body }) => seen.push(body);
    client.onreceipt = ({ headers }) => seen.push(headers["receipt-id"]);
    socket.get("MESSAGE\nsubscription:x\nmessage-id:1\ndestination:/a\n\nhi\0RECEIPT\nreceipt-id:r\n\n\0");
    assert.deepEqual(seen, ["CONNECTED", "hi", "r"]);
    client.send("/a", { "content-length": false, z: 1 }, "abc");
    assert.equal(socket.texts.at(-1), "SEND\ndestination:/a\nz:1\n\nabc\0");
  });

  it("reads the arguments of connect", () => {
    const { client } = onFake();
    const [a, b, c] = [() => {}, () => {}, () => {}];
    assert.throws(() => client.connect({}), /at least 2 arguments/);
    const account = { login: "l", passcode: "p" };
    assert.deepEqual(client._parseConnect("l", "p", a, b).slice(0, 3), [account, a, b]);
    assert.deepEqual(client._parseConnect("l", "p", a, b, c), [account, a, b, c]);
    assert.deepEqual(client._parseConnect("l", "p", a, b, c, "h"), [{ ...account, host: "h" }, a, b, c]);
    assert.deepEqual(client._parseConnect(account, a, b, c), [account, a, b, c]);
  });

  it("calls back after disconnect, once, with or without a receipt", async () => {
    const all = onFake();
    await connect(all, {}, () => {});
    let calls = 0;
    const closed = new Promise((resolve) => all.client.disconnect(() => resolve(calls++)));
    // A server that closes without a receipt.
    all.socket.end(1000);
    await closed;
    await settle();
    assert.equal(calls, 1);
  });

  it("tells the error callback of a loss", async () => {
    const all = onFake();
    const errors = [];
    await connect(all, {}, () => {}, (frame) => errors.push(frame.headers.message));
    all.socket.end();
    assert.deepEqual(errors, ["Whoops! Lost connection to ws://fake/"]);
  });

  it("warns of a socket that is no factory", () => {
    const warn = mock.method(console, "warn", () => {});
    Stomp.over(new FakeSocket());
    assert.equal(warn.mock.callCount(), 1);
    warn.mock.restore();
  });
});

describe("the root module's client", () => {
  const onSocket = async () => {
    const sockets = [];
    Root.WebSocketClass = class extends FakeSocket {
      constructor() {
        super();
        sockets.push(this);
      }
    };
    const client = Root.client("ws://fake/");
    delete Root.WebSocketClass;
    client.debug = () => {};
    return { client, sockets };
  };

  it("has the calls of @stomp/stompjs, on the socket that is open already", async () => {
    const { client, sockets } = await onSocket();
    assert.ok(client instanceof CompatClient && client instanceof Client);
    const seen = [];
    client.configure({
      heartbeatOutgoing: 0,
      onConnect: ({ command }) => seen.push(command),
      onChangeState: (state) => seen.push(ActivationState[state]),
      onWebSocketClose: ({ code }) => seen.push(code),
    });
    client.activate();
    const [socket] = sockets;
    assert.deepEqual([sockets.length, client.webSocket], [1, socket]);
    socket.open();
    assert.match(socket.texts[0], /^CONNECT\naccept-version:1\.0,1\.1\nheart-beat:0,10000\n/);
    socket.get("CONNECTED\nversion:1.1\n\n\0");
    client.publish({ destination: "/a", binaryBody: Uint8Array.of(1) });
    client.watchForReceipt("r", () => seen.push("receipt"));
    socket.get("RECEIPT\nreceipt-id:r\n\n\0");
    const done = client.deactivate();
    assert.equal(client.connected, false);
    socket.get("RECEIPT\nreceipt-id:close-0\n\n\0");
    await done;
    assert.deepEqual(seen, ["ACTIVE", "CONNECTED", "receipt", "DEACTIVATING", "INACTIVE", 1000]);
  });

  it("connects again by itself if there is a delay", async () => {
    const { client, sockets } = await onSocket();
    Root.WebSocketClass = class extends FakeSocket {
      constructor() {
        super();
        sockets.push(this);
      }
    };
    client.reconnect_delay = 1;
    let count = 0;
    client.connect("guest", "guest", () => count++);
    for (const at of [0, 1]) {
      while (!sockets[at]) await new Promise((resolve) => setTimeout(resolve, 1));
      sockets[at].open();
      sockets[at].get("CONNECTED\nversion:1.1\n\n\0");
      assert.equal(client.ws, sockets[at]);
      sockets[at].end();
    }
    await client.deactivate();
    delete Root.WebSocketClass;
    assert.equal(count, 2);
  });

  it("takes the sockets of a factory that it is given, and leaves none behind", async () => {
    const { client, sockets } = await onSocket();
    const other = new FakeSocket();
    client.webSocketFactory = () => other;
    client.activate();
    assert.deepEqual([client.ws, client.webSocket, sockets[0].readyState], [other, other, 3]);
    other.open();
    assert.equal(other.sent.length, 1);
    client.deactivate({ force: true });
  });

  it("waits for beforeConnect, if there is one", async () => {
    const { client, sockets } = await onSocket();
    client.beforeConnect = async (self) => {
      await settle();
      self.connectHeaders = { login: "fresh" };
    };
    client.activate();
    sockets[0].readyState = 1;
    await settle();
    await settle();
    assert.match(sockets[0].texts[0], /\nlogin:fresh\n/);
    client.deactivate({ force: true });
  });

  it("says that a socket is spent, and of one that can't be made", async () => {
    const warn = mock.method(console, "warn", () => {});
    const client = Root.over(new FakeSocket());
    warn.mock.restore();
    const lines = [];
    const errors = [];
    client.debug = (line) => lines.push(line);
    client.connect({}, () => {}, (error) => errors.push(error));
    client.ws.end();
    client.connect({}, () => {}, (error) => errors.push(error));
    await settle();
    assert.deepEqual(errors, ["Whoops! Lost connection to ws://fake/"]);
    assert.match(lines.at(-1), /the socket is spent: give Stomp.over a function/);
    assert.equal(client.active, false);
  });
});

describe("frames", () => {
  it("escapes and unescapes in one pass", () => {
    const text = "C:\\new\\\\n\r\n:\\c";
    assert.equal(FrameImpl.hdrValueUnEscape(FrameImpl.hdrValueEscape(text)), text);
  });

  it("marshalls", () => {
    assert.equal(
      FrameImpl.marshall({ command: "SEND", headers: { destination: "/a" }, body: "ä" }),
      "SEND\ndestination:/a\ncontent-length:2\n\nä\0",
    );
    const bytes = new Uint8Array(FrameImpl.marshall({ command: "SEND", binaryBody: Uint8Array.of(1, 0) }));
    assert.equal(new TextDecoder().decode(bytes), "SEND\ncontent-length:2\n\n\x01\0\0");
  });

  it("are parsed from text and bytes, in pieces, between heart-beats", () => {
    const frames = [];
    let pings = 0;
    const parser = new Parser((frame) => frames.push(frame), () => pings++);
    parser.parseChunk("\r\n\nRECEIVE\r\nfoo: a:b\r\nfoo:2\n\r\nhi\0\n");
    parser.parseChunk("SEND\ncontent-length:4\n\n");
    parser.parseChunk(Uint8Array.of(0, 1, 2, 3).buffer);
    assert.equal(frames.length, 1);
    parser.parseChunk("\0\n\n");
    assert.equal(pings, 5);
    const frame = FrameImpl.fromRawFrame(frames[0], true);
    assert.deepEqual(frames[0].headers, [["foo", " a:b"], ["foo", "2"]]);
    assert.equal(frame.command, "RECEIVE");
    assert.deepEqual(frame.headers, { foo: "a:b" });
    assert.equal(frame.body, "hi");
    assert.deepEqual([...frames[1].binaryBody], [0, 1, 2, 3]);
    assert.deepEqual(frames[1].headers, [["content-length", "4"]]);
  });

  it("gives all lines of a head, in order, from text and bytes beyond ASCII", () => {
    const head = "ä:é\r\n__proto__:1\n\\c:\\n \nä:2\nx:\n";
    const pairs = [["ä", "é"], ["__proto__", "1"], ["\\c", "\\n "], ["ä", "2"], ["x", ""]];
    const frames = [];
    const parser = new Parser((frame) => frames.push(frame), () => {});
    const text = `\0\nMESSAGE\n${head}\nü\0`;
    parser.parseChunk(`${text}${text}`);
    const bytes = new TextEncoder().encode(`${text}SEND\n\n\0`);
    parser.parseChunk(bytes.slice(0, 20).buffer);
    parser.parseChunk(bytes.slice(20).buffer);
    assert.deepEqual(frames.map(({ headers }) => headers), [pairs, pairs, pairs, []]);
    assert.deepEqual(frames.map(({ command }) => command), ["MESSAGE", "MESSAGE", "MESSAGE", "SEND"]);
    assert.equal(new TextDecoder().decode(frames[2].binaryBody), "ü");
  });

  it("go on after a callback that throws, and after what is no frame", () => {
    const reported = [];
    globalThis.reportError = (error) => reported.push(error.message);
    const commands = [];
    const parser = new Parser(({ command }) => {
      commands.push(command);
      throw new Error(command);
    }, () => {});
    parser.parseChunk("A\n\n\0B\n\n\0");
    assert.throws(() => parser.parseChunk("no frame\n"), /a command that is none/);
    parser.parseChunk("C\n\n\0");
    delete globalThis.reportError;
    assert.deepEqual(commands, ["A", "B", "C"]);
    assert.deepEqual(reported, commands);
  });

  it("holds no place in the core between frames", () => {
    const parsers = Array.from({ length: 3000 }, () => new Parser(() => {}, () => {}));
    for (const parser of parsers) parser.parseChunk("A\n\n\0");
    assert.ok(parsers.every(({ reader }) => reader === undefined));
  });

  it("keeps escapes for fromRawFrame to read", () => {
    const frames = [];
    new Parser((frame) => frames.push(frame), () => {}).parseChunk("MESSAGE\ndestination: f\\co\\\\n\n\n\0");
    assert.equal(FrameImpl.fromRawFrame(frames[0], true).headers.destination, "f:o\\n");
    assert.equal(FrameImpl.fromRawFrame(frames[0], false).headers.destination, "f\\co\\\\n");
  });
});
