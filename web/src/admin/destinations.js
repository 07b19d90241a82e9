// Queues, topics and streams, and what is in them.

import { get, post, remove } from "./api.js";
import { ask, button, bytes, confirm, count, dialog, duration, el, facts, many, rate, table, time } from "./dom.js";
import { listing } from "./pager.js";

const option = (value, text) => el("option", { value }, text);

const COLUMNS = [
  ["Kind", (it) => it.kind],
  ["Depth", (it) => count(it.depth), true],
  ["Oldest", (it) => (it.oldest_ms === null ? "–" : duration(it.oldest_ms)), true],
  ["In/s", (it) => rate(it.rates.in), true],
  ["Out/s", (it) => rate(it.rates.out), true],
  ["Ack/s", (it) => rate(it.rates.ack), true],
  ["Unacknowledged", (it) => count(it.unacknowledged), true],
  ["Redelivered", (it) => count(it.redelivered), true],
  ["Consumers", (it) => count(it.consumers), true],
  ["Bytes", (it) => bytes(it.bytes), true],
];

/** A table of destinations. */
const rowsOf = (caption, role) =>
  table(caption, [["Name", (it) => button(it.name, () => show(it.name, role), "link")], ...COLUMNS], (it) => it.name);

export function destinations(role) {
  const pattern = el("input", { type: "search", placeholder: "part of a name, or /queue/orders.**" });
  const kind = el("select", {}, option("", "all"), ["queue", "topic", "stream", "dead-letter"].map((it) => option(it, it)));
  const sort = el("select", {}, option("name", "name"), option("depth", "depth"), option("rate", "rate"));
  const rows = rowsOf("Destinations", role);
  const { refresh, restart, more } = listing(
    (after) => get("destinations", { pattern: pattern.value, kind: kind.value, sort: sort.value, limit: 200, after }),
    (items) => rows.show(items, "There are none."),
  );
  pattern.oninput = kind.onchange = sort.onchange = restart;
  const element = el(
    "div",
    {},
    el(
      "div",
      { className: "bar" },
      el("label", {}, "Filter ", pattern),
      el("label", {}, "Kind ", kind),
      el("label", {}, "Sort by ", sort),
      role !== "viewer" && button("Publish …", () => publish("")),
    ),
    rows.element,
    more,
  );
  return { element, refresh, open: (name) => show(name, role) };
}

export function deadLetters(role) {
  const rows = rowsOf("Queues of dead letters", role);
  const { refresh, more } = listing(
    (after) => get("destinations", { kind: "dead-letter", sort: "depth", limit: 200, after }),
    (items) => rows.show(items, "There are no dead letters."),
  );
  return { element: el("div", {}, rows.element, more), refresh };
}

/** One destination, its messages, and what can be done with them. */
async function show(name, role) {
  const it = await get("destination", { name });
  const list = el("ol", { className: "messages" });
  let after;
  const more = button("Show messages", async () => {
    try {
      const { items, next } = await get("messages", { destination: name, limit: 20, after });
      list.append(...items.map(message));
      after = next ?? undefined;
      more.textContent = after === undefined ? "That is all" : "Show more messages";
      more.disabled = after === undefined;
    } catch (error) {
      list.append(el("li", { className: "error" }, error.message));
    }
  });
  const all = many(it.depth, "message");
  const act = (path, body, told) => async () => told(await post(path, { destination: name, ...body }));
  const isQueue = it.kind !== "topic" && it.kind !== "stream";
  const box = dialog(
    name,
    facts([
      ["Kind", it.kind],
      ["Depth", `${all}, ${bytes(it.bytes)}`],
      ["Consumers", count(it.consumers)],
      ["Unacknowledged", count(it.unacknowledged)],
      ["In, out", `${count(it.in)}, ${count(it.out)}`],
      ["Dead-lettered", `${count(it.dead_lettered)}${it.dead_letter ? `, to ${it.dead_letter}` : ""}`],
      ["Expired, dropped", `${count(it.expired)}, ${count(it.dropped)}`],
      ["Durable", it.durable ? "yes" : "no"],
      ["Arguments", JSON.stringify(it.arguments)],
    ]),
    el(
      "div",
      { className: "bar" },
      more,
      button("Copy link", () => navigator.clipboard.writeText(`${location.origin}/#destinations/${encodeURIComponent(name)}`)),
      role !== "viewer" && button("Publish …", () => publish(name)),
      role !== "viewer" && isQueue && button("Move …", () => move(name)),
      role !== "viewer" &&
        it.kind === "dead-letter" &&
        button("Replay …", () =>
          confirm(`Replay ${name}?`, `${all} to go back to where they died.`, "Replay",
            act("replay", {}, ({ replayed, skipped_count: skipped }) => `${replayed} replayed, ${skipped} skipped.`)),
        ),
      role !== "viewer" &&
        button("Purge …", () =>
          confirm(`Purge ${name}?`, `${all} to go for good.`, "Purge", act("purge", {}, ({ purged }) => `${purged} purged.`)),
        ),
      role === "admin" &&
        button("Delete …", () =>
          confirm(`Delete ${name}?`, `It goes with ${all}.`, "Delete", async () => {
            await remove("destination", { name });
            box.close();
            return "It is gone.";
          }),
        ),
    ),
    list,
  );
}

function message({ message_id: id, headers, body, body_base64: base64, stored_at: at, redelivered }) {
  const text = body ?? base64 ?? "";
  return el(
    "li",
    {},
    el("p", { className: "hint" }, `${id}, ${time(at)}${redelivered ? ", redelivered" : ""}${body === undefined ? ", base64" : ""}`),
    el("pre", { tabIndex: 0 }, `${headers.map(([name, value]) => `${name}:${value}`).join("\n")}\n\n${pretty(text)}`),
  );
}

/** JSON as people read it. */
function pretty(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

/** Lines of `name:value`. */
const headersOf = (text) =>
  Object.fromEntries(
    text
      .split("\n")
      .filter((line) => line.includes(":"))
      .map((line) => [line.slice(0, line.indexOf(":")).trim(), line.slice(line.indexOf(":") + 1)]),
  );

function publish(name) {
  const destination = el("input", { value: name, required: true, placeholder: "/queue/orders" });
  const headers = el("textarea", { rows: 3, placeholder: "content-type:application/json" });
  const body = el("textarea", { rows: 6 });
  const fields = [
    ["Destination ", destination],
    ["Headers ", headers],
    ["Body ", body],
  ];
  ask("Publish", fields, "Publish", async () => {
    const sent = { destination: destination.value, headers: headersOf(headers.value), body: body.value };
    const { message_id: id } = await post("publish", sent);
    return `Published as ${id}.`;
  });
}

function move(name) {
  const to = el("input", { required: true, placeholder: "/queue/audit" });
  const selector = el("input", { placeholder: "kind = 'test'" });
  const fields = [
    ["To ", to],
    ["Only what a selector takes ", selector],
  ];
  ask(`Move from ${name}`, fields, "Move", async () => {
    const own = selector.value ? { selector: selector.value } : {};
    const { moved } = await post("move", { destination: name, to: to.value, ...own });
    return `${moved} moved.`;
  });
}
