// The dashboard: one view at a time, asked anew every two seconds.

import * as api from "./api.js";
import { button, duration, el, tell, time, told } from "./dom.js";
import { connections } from "./connections.js";
import { deadLetters, destinations } from "./destinations.js";
import { durable } from "./durable.js";
import { events } from "./events.js";
import { gateway } from "./gateway.js";
import { History, overview } from "./overview.js";

const INTERVAL = 2000;

const place = (id) => document.querySelector(`#${id}`);
const history = new History();
const log = events();
const VIEWS = [
  ["overview", "Overview", () => overview(history)],
  ["connections", "Connections", connections],
  ["destinations", "Destinations", destinations],
  ["durable", "Durable subscriptions", durable],
  ["dead-letters", "Dead letters", deadLetters],
  ["events", "Events", () => log],
  ["gateway", "Gateway", gateway],
];

let view;
let isPaused = false;
/** What the user may do. */
let role = "viewer";

function open() {
  const [, wanted, what] = /^#([^/]*)(?:\/(.*))?$/.exec(location.hash) ?? [];
  const [id, title, make] = VIEWS.find(([id]) => id === wanted) ?? VIEWS[0];
  for (const link of place("views").children) {
    link.hash === `#${id}` ? link.setAttribute("aria-current", "page") : link.removeAttribute("aria-current");
  }
  document.title = `${title} · Stompbox`;
  view = make(role);
  place("view").replaceChildren(el("h1", {}, title), view.element);
  refresh();
  if (what && view.open) told(view.open)(decodeURIComponent(what));
}

async function refresh() {
  const own = view;
  try {
    const now = await api.get("overview");
    history.take(now);
    await own.refresh?.();
    place("state").textContent = `up ${duration(now.server.uptime_ms)}, as of ${time(now.server.now)}`;
    tell(undefined, "by itself");
  } catch (error) {
    own === view && tell(error, "by itself");
  }
}

async function tick() {
  if (!isPaused && !document.hidden && !document.querySelector("dialog")) await refresh();
  setTimeout(tick, INTERVAL);
}

place("pause").onclick = () => {
  isPaused = !isPaused;
  place("pause").textContent = isPaused ? "Resume" : "Pause";
  place("pause").setAttribute("aria-pressed", isPaused);
};

try {
  ({ role } = await api.get("me"));
  const isGateway = (await api.get("gateway")) !== null;
  const shown = VIEWS.filter(([id]) => isGateway || id !== "gateway");
  place("views").append(...shown.map(([id, title]) => el("a", { href: `#${id}` }, title)));
  log.start();
  addEventListener("hashchange", () => {
    open();
    place("view").focus();
  });
  open();
  setTimeout(tick, INTERVAL);
} catch (error) {
  tell(error);
  place("view").append(button("Try again", () => location.reload()));
}
