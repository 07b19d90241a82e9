// What is measured, the same in Node and in browsers.

const LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789";

function word(next, length) {
  let made = "";
  for (let count = 0; count < length; count++) made += LETTERS[next(LETTERS.length)];
  return made;
}

function random(seed) {
  return (below) => {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
    return Math.floor((seed / 2 ** 32) * below);
  };
}

/** A JSON text of about `size` characters. */
function json(next, size) {
  const items = [];
  let length = 0;
  while (length < size - 60) {
    const item = { id: next(1e6), name: word(next, 12), price: next(1e5) / 100 };
    length += JSON.stringify(item).length + 1;
    items.push(item);
  }
  return JSON.stringify({ items }).padEnd(size, " ");
}

/** Headers beside those that every MESSAGE has, and the body's size. */
const SHAPES = { small: [2, 64], json: [6, 1024], large: [12, 65536] };

const HOW_MANY = 64;

function messages(headers, size) {
  const next = random(size);
  return Array.from({ length: HOW_MANY }, (_, at) => {
    const own = { destination: `/topic/prices.${at % 7}`, "content-type": "application/json" };
    for (let count = 0; count < headers; count++) own[`x-header-${count}`] = word(next, 10);
    const body = json(next, size);
    const all = {
      subscription: `sub-${at % 3}`,
      "message-id": `${1000 + at}`,
      ...own,
      "content-length": body.length,
    };
    const lines = Object.entries(all).map(([name, value]) => `${name}:${value}\n`);
    const text = `MESSAGE\n${lines.join("")}\n${body}\0`;
    return { headers: own, body, text, bytes: new TextEncoder().encode(text).buffer };
  });
}

/** A session that is connected. */
export function connected({ Session }) {
  const session = new Session({ versions: "1.2", outgoing: 0, incoming: 0, tolerance: 200 });
  session.feed("CONNECTED\nversion:1.2\n\n\0");
  session.next();
  session.transmit();
  return session;
}

/** Makes a text flat, as a socket needs it. */
const flat = (text) => 1 + text.charCodeAt(text.length - 1);

/** The messages of a shape. */
export const inputsOf = (shape) => messages(...SHAPES[shape]);

/**
 * The benches: each a name and functions by the name of the library, which take a message. `ours` is
 * stompbox/core, `today` @stomp/stompjs, `old` the Stomp of stompjs.
 */
export function benches(ours, today, old) {
  const session = connected(ours);
  const read = (data) => {
    session.feed(data);
    const { headers, body } = session.next();
    return body.length + headers.destination.length;
  };
  const parser = new today.Parser(
    (raw) => {
      const frame = today.FrameImpl.fromRawFrame(raw, true);
      seen = frame.body.length + frame.headers.destination.length;
    },
    () => {},
  );
  let seen = 0;
  const readToday = (data) => {
    parser.parseChunk(data);
    return seen;
  };
  const readOld = (data) => {
    const [frame] = old.Frame.unmarshall(data);
    return frame.body.length + frame.headers.destination.length;
  };
  const all = [];
  for (const shape of Object.keys(SHAPES)) {
    const inputs = inputsOf(shape);
    all.push({
      name: `MESSAGE as text, ${shape}`,
      inputs,
      by: {
        stompbox: ({ text }) => read(text),
        "@stomp/stompjs": ({ text }) => readToday(text),
        stompjs: ({ text }) => readOld(text),
      },
    });
    if (shape === "json") {
      all.push({
        name: "MESSAGE as bytes, json",
        inputs,
        by: {
          stompbox: ({ bytes }) => read(bytes),
          "@stomp/stompjs": ({ bytes }) => readToday(bytes),
        },
      });
    }
    all.push({
      name: `SEND, ${shape}`,
      inputs,
      by: {
        stompbox: ({ headers, body }) => {
          session.send(headers.destination, headers, body, true);
          return flat(session.transmit());
        },
        "@stomp/stompjs": ({ headers, body }) =>
          flat(today.FrameImpl.marshall({ command: "SEND", headers, body, escapeHeaderValues: true })),
        stompjs: ({ headers, body }) => flat(old.Frame.marshall("SEND", headers, body)),
      },
    });
  }
  return all;
}

/** How long a round takes, in ms, and how many there are of each. */
const ROUND = 3;
const ROUNDS = 31;

/** Microseconds a message for each library: the 20th percentile of rounds that take turns. */
export function measure({ inputs, by }) {
  const names = Object.keys(by);
  const times = names.map(() => []);
  let sum = 0;
  const run = (work, count) => {
    const begun = performance.now();
    for (let at = 0; at < count; at++) sum += work(inputs[at % inputs.length]);
    return performance.now() - begun;
  };
  const counts = names.map((name) => {
    run(by[name], 200);
    // Browsers round their clock: by a stretch that is long enough.
    let count = 16;
    while (run(by[name], count) < ROUND && count < 1 << 20) count *= 2;
    return count;
  });
  for (let round = 0; round < ROUNDS; round++) {
    names.forEach((name, at) => times[at].push(run(by[name], counts[at]) / counts[at]));
  }
  if (!sum) throw new Error("nothing was read");
  return names.map((name, at) => ({
    name,
    microseconds: times[at].sort((a, b) => a - b)[Math.floor(ROUNDS / 5)] * 1000,
  }));
}

/** All benches as lines of a Markdown table. */
export function table(results) {
  const number = (value) => (value === undefined ? "–" : value.toPrecision(3));
  const times = (value, own) => (value === undefined ? "–" : `${(value / own).toPrecision(2)} x`);
  return [
    "| µs a frame | stompbox | @stomp/stompjs 7.5 | stompjs 2.3.3 | gain | gain |",
    "|---|---:|---:|---:|---:|---:|",
    ...results.map(({ name, found }) => {
      const [own, today, old] = ["stompbox", "@stomp/stompjs", "stompjs"].map(
        (each) => found.find((one) => one.name === each)?.microseconds,
      );
      return `| ${name} | ${number(own)} | ${number(today)} | ${number(old)} | ${times(today, own)} | ${times(old, own)} |`;
    }),
  ].join("\n");
}
