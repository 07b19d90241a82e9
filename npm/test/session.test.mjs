// The core's session: every frame comes out as it went in, however the stream is cut, as text, as
// bytes and as both, by WebAssembly and by the script that stands in for it.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Stomp as CspStomp } from "../dist/csp/browser.mjs";
import * as inScript from "../dist/csp/core.mjs";
import * as inWasm from "../dist/node/core.mjs";

const { Kind, Session, readFrames } = inWasm;

const encoder = new TextEncoder();

/** Reproducible randomness. */
function random(seed) {
  return (below) => {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
    return Math.floor((seed / 2 ** 32) * below);
  };
}

const pick = (next, from) => from[next(from.length)];

const connected = (version, core = inWasm) => {
  const session = new core.Session({
    versions: version,
    outgoing: 0,
    incoming: 0,
    tolerance: 200,
  });
  session.feed(`CONNECTED\nversion:${version}\n\n\0`);
  assert.equal(session.next().kind, Kind.CONNECTED);
  session.transmit();
  return session;
};

const all = (session) => {
  const events = [];
  for (let event = session.next(); event; event = session.next()) events.push(event);
  return events;
};

const ESCAPES = { "\\": "\\\\", "\n": "\\n", ":": "\\c", "\r": "\\r" };
const CHARACTERS = ["a", "b", "é", "€", "🦀", "\\", "\n", ":", "\r", " ", "z".repeat(50)];
const BODIES = [...CHARACTERS, "\0", "\0\0", "\uFEFF", "x".repeat(700), "ö".repeat(400), "\n\0MESSAGE\n"];

function text(next, from, most) {
  let made = "";
  for (let count = next(most); count > 0; count--) made += pick(next, from);
  return made;
}

/** A frame for the wire, and what is to come of it. */
function frame(next) {
  const command = pick(next, ["MESSAGE", "MESSAGE", "RECEIPT", "OTHER-1"]);
  const headers = {};
  const lines = [];
  const add = (name, value) => {
    const escape = (part) => part.replace(/[\\\n\r:]/g, (octet) => ESCAPES[octet]);
    lines.push(`${escape(name)}:${escape(value)}`);
    // In computed form, `__proto__` is a name like all others.
    if (!Object.hasOwn(headers, name)) Object.defineProperty(headers, name, { value, enumerable: true });
  };
  if (command === "RECEIPT") add("receipt-id", text(next, CHARACTERS, 3));
  const names = ["destination", "a", "a", "__proto__", "toString", "é", "12", "x:y", `n${next(400)}`];
  for (let count = next(9); count > 0; count--) add(pick(next, names), text(next, CHARACTERS, 5));
  const sized = next(3) > 0;
  let body = text(next, BODIES, 6);
  if (!sized) body = body.replaceAll("\0", "");
  if (sized) add("content-length", String(encoder.encode(body).length));
  const eol = pick(next, ["\n", "\r\n"]);
  const wire = `${pick(next, ["", "\n", "\n\r\n"])}${[command, ...lines].join(eol)}${eol}${eol}${body}\0`;
  return { wire, command, headers, body };
}

const cutAt = (whole, next) => {
  const pieces = [];
  for (let at = 0; at < whole.length; ) {
    const end = Math.min(whole.length, at + 1 + next(pick(next, [3, 40, 2000])));
    pieces.push(whole.slice(at, end));
    at = end;
  }
  return pieces;
};

const same = (event, { command, headers, body }, message) => {
  assert.equal(event.command, command, message);
  assert.deepEqual(Object.entries(event.headers).sort(), Object.entries(headers).sort(), message);
  assert.equal(event.body, body, message);
  assert.deepEqual(Buffer.from(event.binaryBody), Buffer.from(encoder.encode(body)), message);
};

const FORMS = {
  "whole texts": (frames) => [frames.map((each) => each.wire).join("")],
  "texts cut anywhere": (frames, next) => cutAt(frames.map((each) => each.wire).join(""), next),
  "whole bytes": (frames) => [encoder.encode(frames.map((each) => each.wire).join("")).buffer],
  "bytes cut anywhere": (frames, next) =>
    cutAt(encoder.encode(frames.map((each) => each.wire).join("")), next),
  "texts and bytes in turn": (frames, next) =>
    // At characters: half of one is no text of a WebSocket's.
    cutAt([...frames.map((each) => each.wire).join("")], next).map((piece) =>
      next(2) ? piece.join("") : encoder.encode(piece.join("")),
    ),
};

describe("a session reads", () => {
  const forms = Object.entries(FORMS).flatMap(([form, cut]) => [
    [`${form}, by WebAssembly`, cut, inWasm],
    [`${form}, by the script`, cut, inScript],
  ]);
  for (const [form, cut, core] of forms) {
    it(form, () => {
      for (let seed = 1; seed <= 1500; seed++) {
        const next = random(seed);
        const frames = Array.from({ length: 1 + next(4) }, () => frame(next));
        const session = connected("1.2", core);
        const seen = [];
        for (const piece of cut(frames, next)) {
          session.feed(piece);
          // A user may take what there is, or wait.
          if (next(4)) seen.push(...all(session));
        }
        seen.push(...all(session));
        assert.equal(seen.length, frames.length, `seed ${seed}: ${JSON.stringify(seen.at(-1))}`);
        seen.forEach((event, at) => same(event, frames[at], `seed ${seed}, frame ${at}`));
        session.close();
      }
    });
  }

  it("a text whose pairs are in two pieces", () => {
    const session = connected("1.2");
    session.feed("MESSAGE\ncontent-length:8\n\n🦀\ud83e");
    session.feed("\udd80\0");
    assert.equal(session.next().body, "🦀🦀");
    session.close();
  });

  it("a body of a mebibyte over many pieces, as text and as bytes", () => {
    const body = "0123456789abcde\0ä".repeat(1 << 16);
    const wire = `MESSAGE\ncontent-length:${encoder.encode(body).length}\n\n${body}\0`;
    for (const whole of [wire, encoder.encode(wire)]) {
      const session = connected("1.1");
      let seen;
      for (let at = 0; at < whole.length; at += 4096) {
        session.feed(whole.slice(at, at + 4096));
        seen = session.next();
      }
      assert.ok(seen.body === body);
      session.close();
    }
  });

  it("each faulty stream as a failure that says what was wrong, and nothing after it", () => {
    for (const [wire, expected] of [
      ["GARBAGE OF SORTS\n", /command/],
      ["MESSAGE\na:b\0", /NUL in a head/],
      ["MESSAGE\nabc\n", /header line/],
      ["MESSAGE\n:abc\n", /header line/],
      [`MESSAGE\n${"a:b\n".repeat(513)}`, /512/],
      [`MESSAGE\na:${"b".repeat(140_000)}`, /head of more than 128 KiB/],
      ["MESSAGE\na:\\q\n\n", /escape/],
      ["MESSAGE\ncontent-length:1x\n\n", /content-length/],
      ["MESSAGE\ncontent-length:1\ncontent-length:2\n\n", /content-length/],
      [`MESSAGE\ncontent-length:${(256 << 20) + 1}\n\n`, /body of more than 256 MiB/],
      ["CONNECTED\n\n", /can't come now/],
      ["SEND\n\n\0", /can't come now/],
      ["RECEIPT\n\n\0", /receipt-id/],
      ["MESSAGE\ncontent-length:2\n\nabc\0", /no NUL/],
      ["MESSAGE\ncontent-length:3\n\nö\0x\0", /no NUL/],
    ]) {
      for (const data of [wire, encoder.encode(wire)]) {
        const session = connected("1.2");
        session.feed(data);
        const events = all(session);
        assert.equal(events.length, 1, wire.slice(0, 40));
        assert.equal(events[0].kind, Kind.FAILURE);
        assert.match(events[0].text, expected);
        assert.equal(session.version(), undefined);
        session.feed("MESSAGE\n\n\0");
        assert.equal(session.next(), undefined);
        assert.equal(session.data, "", "nothing is kept");
        assert.throws(() => session.send("/a", {}, "", true), /not connected/);
        session.close();
      }
    }
  });

  it("a head that comes piece by piece, without reading it again for each", () => {
    const value = "b".repeat(20_000);
    for (const part of [(text) => text, (text) => encoder.encode(text)]) {
      const session = connected("1.2");
      const read = session.core.head;
      let reads = 0;
      session.core = { ...session.core, head: (...args) => (reads++, read(...args)) };
      for (const letter of `MESSAGE\na:${value}\n\nbody`) {
        session.feed(part(letter));
        assert.equal(session.next(), undefined);
      }
      session.feed(part("\0"));
      const { headers, body } = session.next();
      assert.deepEqual([headers.a, body], [value, "body"]);
      assert.ok(reads < 30, `${reads} reads`);
      session.close();
    }
  });

  it("what is wrong in a head as soon as the piece that has it", () => {
    for (const [pieces, expected] of [
      [["MESS", "AGE", "\na:b", "\0"], /NUL in a head/],
      [["MESSAGE\na:", ...Array(140).fill("b".repeat(1000))], /head of more than 128 KiB/],
      [["MESSAGE\na", "b", "c\n"], /header line/],
    ]) {
      for (const part of [(text) => text, (text) => encoder.encode(text)]) {
        const session = connected("1.2");
        const seen = [];
        for (const piece of pieces) {
          session.feed(part(piece));
          seen.push(...all(session));
        }
        assert.equal(seen.length, 1, pieces[0]);
        assert.match(seen[0].text, expected);
        session.close();
      }
    }
  });

  it("bytes that are no UTF-8: in a head a failure, in a body no matter", () => {
    const session = connected("1.2");
    session.feed(Uint8Array.from([...encoder.encode("MESSAGE\n\n"), 0xff, 0xfe, 0]));
    assert.deepEqual([...session.next().binaryBody], [0xff, 0xfe]);
    session.feed(Uint8Array.from([...encoder.encode("MESSAGE\na:"), 0xff, 10, 10, 0]));
    assert.match(session.next().text, /UTF-8/);
    session.close();
  });

  it("nothing but a frame's end as the end of CONNECTED", () => {
    const session = new Session({ versions: "1.2", outgoing: 0, incoming: 0, tolerance: 200 });
    session.feed("CONNECTED\nversion:1.2\n\n");
    assert.equal(session.next(), undefined);
    assert.equal(session.version(), undefined);
    session.feed("\0");
    assert.equal(session.next().kind, Kind.CONNECTED);
    assert.equal(session.version(), "1.2");
    session.close();
  });
});

describe("a session", () => {
  it("bounds the first frame to 32 KiB", () => {
    for (const wire of [`ERROR\n\n${"x".repeat(40_000)}`, `CONNECTED\na:${"x".repeat(40_000)}\n`]) {
      const session = new Session({ versions: "1.2", outgoing: 0, incoming: 0, tolerance: 200 });
      session.feed(wire);
      assert.equal(session.next().kind, Kind.FAILURE);
      session.close();
    }
  });

  it("takes a version that was offered, and no other", () => {
    for (const [offer, answer, version] of [
      ["1.2,1.1,1.0", "version:1.1\n", "1.1"],
      ["1.2,1.1,1.0", "", "1.0"],
      ["1.2", "version:1.1\n", undefined],
      ["1.2", "", undefined],
    ]) {
      const session = new Session({ versions: offer, outgoing: 0, incoming: 0, tolerance: 200 });
      session.feed(`CONNECTED\n${answer}\n\0`);
      assert.equal(session.next().kind, version ? Kind.CONNECTED : Kind.FAILURE);
      assert.equal(session.version(), version);
      session.close();
    }
  });

  it("agrees on heart-beats", () => {
    const session = new Session({ versions: ["1.2"], outgoing: 100, incoming: 4000, tolerance: 200 });
    assert.equal(session.transmit(), "CONNECT\naccept-version:1.2\nheart-beat:100,4000\n\n\0");
    session.feed("CONNECTED\nversion:1.2\nheart-beat:3000,500\n\n\0");
    session.next();
    assert.deepEqual(session.heartBeat(), { outgoing: 500, incoming: 4000 });
    assert.equal(session.isSilent(), false);
    session.beat();
    assert.equal(session.transmit(), "\n");
    session.close();
  });

  it("counts silence in percent of what was agreed", () => {
    const session = new Session({ versions: "1.2", outgoing: 0, incoming: 1000, tolerance: 150 });
    // And an interval more before the first.
    session.feed("CONNECTED\nversion:1.2\nheart-beat:2000000,0\n\n\0");
    session.next();
    session.heard -= 4_900_000;
    assert.equal(session.isSilent(), false);
    session.heard -= 100_000;
    assert.equal(session.isSilent(), true);
    session.feed("\n");
    assert.equal(session.isSilent(), false);
    session.close();
  });

  it("has patience for an interval more before the first beat", (t) => {
    let now = 0;
    t.mock.method(performance, "now", () => now);
    const connect = () => {
      now = 0;
      const session = new Session({ versions: ["1.2"], outgoing: 0, incoming: 1000, tolerance: 200 });
      session.feed("CONNECTED\nversion:1.2\nheart-beat:1000,0\n\n\0");
      session.next();
      return session;
    };
    const isSilentAt = (session, time) => ((now = time), session.isSilent());
    let session = connect();
    assert.equal(isSilentAt(session, 2999), false);
    assert.equal(isSilentAt(session, 3000), true);
    session.close();
    session = connect();
    now = 2000;
    session.feed("\n");
    assert.equal(session.isSilent(), false);
    assert.equal(isSilentAt(session, 3999), false);
    assert.equal(isSilentAt(session, 4000), true);
    session.close();
  });

  it("acknowledges in the form of its version", () => {
    const message = { ack: "a", messageId: "m", subscription: "s" };
    const forms = {
      "1.0": "message-id:m\nsubscription:s\n",
      1.1: "message-id:m\nsubscription:s\n",
      1.2: "id:a\n",
    };
    for (const [version, form] of Object.entries(forms)) {
      const session = connected(version);
      session.acknowledge(true, message, { receipt: "r" });
      assert.equal(session.transmit(), `ACK\n${form}receipt:r\n\n\0`);
      if (version === "1.0") {
        assert.throws(() => session.acknowledge(false, message), /1.0 has no NACK/);
      }
      assert.throws(() => session.acknowledge(true, {}), /to acknowledge/);
      session.close();
    }
  });

  it("refuses what can't be sent, and sends nothing then", () => {
    const session = connected("1.1");
    session.subscribe("s", "/a", "auto");
    session.transmit();
    for (const [request, expected] of [
      [() => session.subscribe("s", "/a", "auto"), /in use/],
      [() => session.subscribe("t", "/a", "never"), /ack mode/],
      [() => session.commit("tx"), /no open transaction/],
      [() => session.send("/a", { transaction: "tx" }, "", true), /no open transaction/],
      [() => session.send("/a", { x: "\r" }, "", true), /can't hold/],
      [() => session.send("/a", { x: "a\0b" }, "", true), /NUL/],
      [() => session.send("/a", { "": "x" }, "", true), /name/],
      [() => session.send("/a", {}, "a\0", false), /NUL/],
      [() => session.send("/a", {}, Uint8Array.of(0), false), /NUL/],
      [() => session.send("/a", { "content-length": 3 }, "ab", true), /content-length/],
    ]) {
      assert.throws(request, expected);
      assert.equal(session.transmit(), undefined);
    }
    session.close();
  });

  it("sends text as text and bytes as bytes", () => {
    const session = connected("1.2");
    session.send("/a:b", { "x\n": "é\\", none: undefined }, "ö🦀", true);
    assert.equal(session.transmit(), "SEND\ndestination:/a\\cb\nx\\n:é\\\\\ncontent-length:6\n\nö🦀\0");
    session.send("/a", {}, Uint8Array.of(0, 255), true);
    const bytes = session.transmit();
    assert.equal(Buffer.from(bytes).toString("latin1"), "SEND\ndestination:/a\ncontent-length:2\n\n\0\xff\0");
    session.close();
  });

  it("knows the receipt of its DISCONNECT", () => {
    const session = connected("1.2");
    session.disconnect({ receipt: 7 });
    assert.throws(() => session.beat() ?? session.send("/a", {}, "", true), /not connected/);
    session.feed("MESSAGE\n\n\0RECEIPT\nreceipt-id:6\n\n\0RECEIPT\nreceipt-id:7\n\n\0MESSAGE\n\n\0");
    const kinds = all(session).map((event) => event.kind);
    assert.deepEqual(kinds, [Kind.MESSAGE, Kind.RECEIPT, Kind.DISCONNECTED]);
    session.close();
  });

  it("gives its place back, and there are more than one instance has", () => {
    const sessions = Array.from({ length: 3000 }, () => connected("1.2"));
    sessions.forEach((session, at) => {
      session.feed(`MESSAGE\nn:${at}\n\n\0`);
      assert.equal(session.next().headers.n, String(at));
    });
    const cores = new Set(sessions.map((session) => session.core));
    assert.equal(cores.size, 3);
    sessions.forEach((session) => session.close());
    assert.ok(cores.has(connected("1.2").core));
  });
});

describe("Stomp.Frame.unmarshall and readFrames", () => {
  it("read all frames, by the script too", () => {
    const wire = "A\nx:y\n\nö\0\nB\ncontent-length:1\n\n\0\0C\n";
    assert.deepEqual(readFrames(wire).map((frame) => frame.command), ["A", "B"]);
    assert.deepEqual(readFrames(encoder.encode(wire)).map((frame) => frame.body), ["ö", "\0"]);
    assert.throws(() => readFrames("a b\n"), /command/);
    const frames = CspStomp.Frame.unmarshall(wire);
    assert.deepEqual(frames.map((frame) => frame.body), ["ö", "\0"]);
    assert.equal(frames.partial, "C\n");
  });
});
