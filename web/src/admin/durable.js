// Durable subscriptions.

import { get, remove } from "./api.js";
import { button, bytes, confirm, count, el, many, table, time } from "./dom.js";
import { listing } from "./pager.js";

export function durable(role) {
  const rows = table(
    "Durable subscriptions",
    [
      ["Name", (it) => it.name],
      ["Owner", (it) => it.owner ?? "–"],
      ["Client id", (it) => it.client_id ?? "–"],
      ["Destination", (it) => it.destination],
      ["Selector", (it) => it.selector ?? "–"],
      ["Depth", (it) => count(it.depth), true],
      ["Bytes", (it) => bytes(it.bytes), true],
      ["Connected", (it) => (it.connected ? "yes" : "no")],
      ["Last seen", (it) => (it.last_seen === null ? "–" : time(it.last_seen))],
      [
        "",
        (it) =>
          role === "admin" && !it.connected
            ? button("Remove …", () =>
                confirm(`Remove ${it.name}?`, `It goes with ${many(it.depth, "message")}.`, "Remove", async () => {
                  await remove(`durable-subscriptions/${encodeURIComponent(it.key)}`);
                  return "It is gone.";
                }),
              )
            : "",
      ],
    ],
    (it) => it.key,
  );
  const { refresh, more } = listing(
    (after) => get("durable-subscriptions", { limit: 200, after }),
    (items) => rows.show(items, "There are none."),
  );
  return { element: el("div", {}, rows.element, more), refresh };
}
