// The brokers behind this front.

import { get } from "./api.js";
import { count, el, facts, table } from "./dom.js";

const isUp = ({ up }) => (up ? "up" : "down");

export function gateway() {
  const upstreams = table(
    "Brokers",
    [
      ["Broker", (it) => it.upstream],
      ["State", isUp],
      ["Last error", (it) => it.last_error ?? "–"],
    ],
    (it) => it.upstream,
  );
  const shared = table(
    "Shared connections",
    [
      ["Connection", (it) => it.number],
      ["State", isUp],
      ["Clients", (it) => count(it.clients), true],
      ["Subscriptions", (it) => count(it.subscriptions), true],
      ["Losses", (it) => count(it.losses), true],
    ],
    (it) => it.number,
  );
  const rest = el("div");
  const refresh = async () => {
    const now = await get("gateway");
    if (!now) return;
    upstreams.show(now.upstreams);
    shared.show(now.connections.map((it, at) => ({ ...it, number: `${at + 1}` })), "Each client has its own.");
    rest.replaceChildren(
      facts([
        ["Clients' own connections", count(now.own_connections)],
        ["Topics that clients share", count(now.shared_topics)],
      ]),
    );
  };
  const element = el("div", {}, el("h2", {}, "Brokers"), upstreams.element, el("h2", {}, "Shared connections"), shared.element, rest);
  return { element, refresh };
}
