// The benches in a browser; reports the table, and what a message costs end to end.

import * as ours from "/dist/esm/core.mjs";
import { benches, connected, inputsOf, measure, table } from "./workloads.mjs";

const ask = async (path, body) => (await fetch(path, body && { method: "POST", body })).text();

const load = (src) =>
  new Promise((resolve, reject) => {
    const script = Object.assign(document.createElement("script"), { src });
    script.onload = resolve;
    script.onerror = () => reject(new Error(src));
    document.head.append(script);
  });

const MESSAGES = 5000;
const ROUNDS = 7;

/** Microseconds a message from a socket that sends as fast as it can. */
async function receive(url, take) {
  const socket = new WebSocket(url);
  await new Promise((resolve, reject) => {
    socket.onopen = resolve;
    socket.onerror = reject;
  });
  let count = 0;
  const begun = performance.now();
  await new Promise((resolve) => {
    socket.onmessage = ({ data }) => {
      take(data);
      if (++count === MESSAGES) resolve();
    };
    socket.send(String(MESSAGES));
  });
  const time = performance.now() - begun;
  socket.close();
  return (time / MESSAGES) * 1000;
}

async function endToEnd(url, today, old) {
  const session = connected(ours);
  let seen = 0;
  const parser = new today.Parser(
    (raw) => (seen += today.FrameImpl.fromRawFrame(raw, true).body.length),
    () => {},
  );
  const ways = {
    "a bare WebSocket, data thrown away": () => {},
    stompbox: (data) => {
      session.feed(data);
      seen += session.next().body.length;
    },
    "@stomp/stompjs": (data) => parser.parseChunk(data),
    stompjs: (data) => (seen += old.Frame.unmarshall(data)[0].body.length),
  };
  const times = Object.fromEntries(Object.keys(ways).map((name) => [name, Infinity]));
  for (let round = 0; round < ROUNDS; round++) {
    for (const [name, take] of Object.entries(ways)) {
      times[name] = Math.min(times[name], await receive(url, take));
    }
  }
  const [bare] = Object.values(times);
  const rows = Object.entries(times).map(
    ([name, time]) => `| ${name} | ${time.toFixed(1)} | ${((time / bare - 1) * 100).toFixed(0)} % |`,
  );
  return ["| one JSON message, end to end | µs | over bare |", "|---|---:|---:|", ...rows].join("\n");
}

try {
  await load("/bench/node_modules/@stomp/stompjs/bundles/stomp.umd.js");
  await load("/bench/node_modules/stompjs/lib/stomp.js");
  const results = [];
  for (const bench of benches(ours, StompJs, Stomp)) {
    results.push({ name: bench.name, found: measure(bench) });
    // The page stays alive.
    await new Promise((resolve) => setTimeout(resolve));
  }
  const flood = await ask("/flood", inputsOf("json")[0].text);
  const delivered = await endToEnd(flood, StompJs, Stomp);
  const agent = navigator.userAgent.match(/(Chrome|Firefox|Version)\/(\d+)/)?.[2];
  await ask("/report", JSON.stringify({ agent, table: `${table(results)}\n\n${delivered}` }));
} catch (error) {
  await ask("/report", JSON.stringify({ error: `${error}\n${error.stack}` }));
}
