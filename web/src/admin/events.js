// What happens, from the moment on at which the page was opened.

import { follow } from "./api.js";
import { button, el, table, time } from "./dom.js";

const MOST = 500;
const AGAIN = 3000;

const KINDS = {
  all: () => true,
  "errors and refusals": ({ kind }) => /^(error|login-refused|dead-letter|slow-consumer|missed)$/.test(kind),
  "slow consumers": ({ kind }) => kind === "slow-consumer",
  connections: ({ kind }) => /connected$/.test(kind),
};

export function events() {
  const log = [];
  let number = 0;
  const kind = el("select", {}, Object.keys(KINDS).map((it) => el("option", { value: it }, it)));
  const state = el("span", { className: "hint" }, "");
  const rows = table(
    "Events, the newest first",
    [
      ["At", (it) => time(it.at)],
      ["What", (it) => it.kind],
      [
        "About",
        ({ at, kind, number, ...about }) =>
          Object.entries(about)
            .filter(([, value]) => value !== null && value !== "")
            .map(([name, value]) => `${name} ${value}`)
            .join(", "),
      ],
    ],
    (it) => it.number,
  );
  const refresh = async () => rows.show(log.filter(KINDS[kind.value]), "Nothing has happened since this page was opened.");
  kind.onchange = refresh;
  const save = () => {
    const lines = log.map(({ number, ...event }) => JSON.stringify(event)).reverse();
    const url = URL.createObjectURL(new Blob([`${lines.join("\n")}\n`], { type: "application/x-ndjson" }));
    el("a", { href: url, download: "events.ndjson" }).click();
    setTimeout(() => URL.revokeObjectURL(url));
  };
  const element = el(
    "div",
    {},
    el("div", { className: "bar" }, el("label", {}, "Kind ", kind), button("Export", save), state),
    rows.element,
  );
  return {
    element,
    refresh,
    async start() {
      try {
        state.textContent = "";
        await follow((event) => {
          log.unshift({ ...event, number: number++ });
          log.length = Math.min(log.length, MOST);
        });
      } catch (error) {
        state.textContent = `Events don't come: ${error.message}.`;
        setTimeout(() => this.start(), AGAIN);
      }
    },
  };
}
