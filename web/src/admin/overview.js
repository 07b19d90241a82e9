// All in one look.

import { bytes, count, el, facts, many, rate, sparkline } from "./dom.js";

/** A quarter of an hour. */
const SAMPLES = 450;

/** What was, and how fast it changes. */
export class History {
  constructor() {
    this.samples = [];
  }

  take(now) {
    this.now = now;
    const { server, messages, bytes, connections } = now;
    const last = this.samples.at(-1);
    if (last?.at === server.now) return;
    const sample = { at: server.now, messages, bytes, connections: connections.total, stored: messages.stored };
    const seconds = last ? (sample.at - last.at) / 1000 : 1;
    // A server that has started anew counts from the beginning.
    const since = (now, before) => Math.max(0, (now - (before ?? now)) / seconds);
    sample.rates = {
      in: since(messages.in, last?.messages.in),
      out: since(messages.out, last?.messages.out),
      bytesIn: since(bytes.in, last?.bytes.in),
      bytesOut: since(bytes.out, last?.bytes.out),
    };
    this.samples.push(sample);
    if (this.samples.length > SAMPLES) this.samples.shift();
  }

  line(of) {
    return this.samples.map(of);
  }
}

const list = (counts) =>
  Object.entries(counts)
    .filter(([, value]) => value)
    .map(([name, value]) => `${name}: ${count(value)}`)
    .join(", ") || "none";

export function overview(history) {
  const element = el("div", { className: "cards" });
  const card = (title, value, of, format) => {
    const values = history.line(of);
    const most = Math.max(...values, 0);
    return el(
      "section",
      { className: "panel card" },
      el("h2", {}, title),
      el("p", { className: "big" }, value),
      sparkline(values, `${title} over the last minutes, at most ${format(most)}`),
    );
  };
  const draw = () => {
    const { now, samples } = history;
    if (!now) return;
    const { rates } = samples.at(-1);
    const { connections, destinations, messages, memory, store, logins } = now;
    const size = (value) => `${bytes(Math.round(value))}/s`;
    const speed = (value) => `${rate(value)}/s`;
    element.replaceChildren(
      card("Messages in", speed(rates.in), (it) => it.rates.in, speed),
      card("Messages out", speed(rates.out), (it) => it.rates.out, speed),
      card("Bytes in", size(rates.bytesIn), (it) => it.rates.bytesIn, size),
      card("Bytes out", size(rates.bytesOut), (it) => it.rates.bytesOut, size),
      card("Connections", count(connections.total), (it) => it.connections, count),
      card("Messages waiting", count(messages.stored), (it) => it.stored, count),
      el(
        "section",
        { className: "panel wide" },
        el("h2", {}, "Now"),
        facts([
          ["Transports", list(connections.by_transport)],
          ["Versions", list(connections.by_version)],
          ["Destinations", [many(destinations.queues, "queue"), many(destinations.topics, "topic"), many(destinations.streams, "stream")].join(", ")],
          ["Durable subscriptions", count(destinations.durable_subscriptions)],
          ["Unacknowledged", count(messages.unacknowledged)],
          ["Memory", `${bytes(memory.used)} of ${bytes(memory.limit)}${memory.pressed ? ": short, producers wait" : ""}`],
          ["Store", store ? `${many(store.messages, "message")}, ${bytes(store.bytes)}${store.poisoned ? ": failed, restart the server" : ""}` : "none: all is in memory"],
        ]),
      ),
      el(
        "section",
        { className: "panel wide" },
        el("h2", {}, "Since the start"),
        facts([
          ["In", count(messages.in)],
          ["Out", count(messages.out)],
          ["Acknowledged", count(messages.acknowledged)],
          ["Redelivered", count(messages.redelivered)],
          ["Dead letters", count(messages.dead_lettered)],
          ["Expired", count(messages.expired)],
          ["Dropped", count(messages.dropped)],
          ["Logins refused", count(logins.refused)],
        ]),
      ),
    );
  };
  draw();
  return { element, refresh: async () => draw() };
}
