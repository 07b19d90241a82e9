// Who is connected.

import { get, remove } from "./api.js";
import { button, bytes, confirm, count, dialog, duration, el, facts, many, rate, table, told } from "./dom.js";
import { listing } from "./pager.js";

export function connections(role) {
  /** Counters of the last look, by connection. */
  let before = new Map();
  let seconds = 1;
  let last = performance.now();
  const speed = (item, way) => {
    const old = before.get(item.id);
    return old ? rate(Math.max(0, item[way].messages - old[way].messages) / seconds) : "–";
  };
  const filter = el("input", { type: "search", placeholder: "login, client-id, address, agent, transport" });
  const onlySlow = el("input", { type: "checkbox" });
  const rows = table(
    "Connections",
    [
      ["Connection", (it) => button(it.id, () => show(it.id), "link")],
      ["User", (it) => it.user || "–"],
      ["Client id", (it) => it.client_id || "–"],
      ["Address", (it) => it.remote ?? "–"],
      ["By", (it) => `${it.transport}${it.tls && !/tls|wss/.test(it.transport) ? ", TLS" : ""}, ${it.version ?? "–"}`],
      ["Subs", (it) => count(it.subscriptions), true],
      ["Unacked", (it) => count(it.unacknowledged), true],
      ["In/s", (it) => speed(it, "in"), true],
      ["Out/s", (it) => speed(it, "out"), true],
      ["Waiting", (it) => bytes(it.queued.bytes), true],
      ["Heart-beat", (it) => it.heart_beat.map((ms) => (ms ? `${ms / 1000} s` : "none")).join(" / ")],
      ["For", (it) => duration(Date.now() - it.connected_at), true],
    ],
    (it) => it.id,
  );
  const show = async (id) => {
    const it = await get(`connections/${encodeURIComponent(id)}`);
    const subscriptions = table(
      "Subscriptions",
      [
        ["Id", (own) => own.id],
        ["Destination", (own) => own.destination],
        ["Selector", (own) => own.selector ?? "–"],
        ["Ack", (own) => own.ack],
        ["Prefetch", (own) => (own.prefetch ? count(own.prefetch) : "no limit"), true],
        ["Unacknowledged", (own) => count(own.unacknowledged), true],
        ["Durable", (own) => own.durable ?? "–"],
      ],
      (own) => own.id,
    );
    subscriptions.show(it.subscriptions_list, "It has no subscriptions.");
    dialog(
      `Connection ${id}`,
      facts([
        ["User", it.user || "–"],
        ["Address", it.remote],
        ["Agent", it.agent ?? "–"],
        ["In", `${many(it.in.messages, "message")}, ${bytes(it.in.bytes)}`],
        ["Out", `${many(it.out.messages, "message")}, ${bytes(it.out.bytes)}`],
        ["Waiting", `${many(it.queued.messages, "message")}, ${bytes(it.queued.bytes)}`],
      ]),
      subscriptions.element,
      role !== "viewer" &&
        button("Disconnect …", () =>
          confirm(`Disconnect ${id}?`, "It gets an ERROR, and may come again.", "Disconnect", async () => {
            const { kicked } = await remove(`connections/${encodeURIComponent(id)}`);
            return kicked ? "It is disconnected." : "It had gone already.";
          }),
        ),
    );
  };
  const draw = (items) => {
    seconds = Math.max((performance.now() - last) / 1000, 0.1);
    last = performance.now();
    const slow = items.filter((it) => it.queued.bytes > 0).sort((a, b) => b.queued.bytes - a.queued.bytes);
    rows.show(onlySlow.checked ? slow : items, "Nobody is here.");
    before = new Map(items.map((it) => [it.id, it]));
  };
  const { refresh, restart, more } = listing(
    (after) => get("connections", { filter: filter.value, limit: 200, after }),
    draw,
  );
  filter.oninput = restart;
  onlySlow.onchange = told(refresh);
  const element = el(
    "div",
    {},
    el(
      "div",
      { className: "bar" },
      el("label", {}, "Filter ", filter),
      el("label", {}, onlySlow, " only those for whom messages wait, most first"),
    ),
    rows.element,
    more,
  );
  return { element, refresh };
}
