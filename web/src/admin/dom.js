// Elements, tables and dialogs. What comes from the network gets into the page as text only.

/** An element: `props` are properties, or attributes where the name has a dash or is `role`, `for`. */
export function el(tag, props = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (/-|^(role|for|colspan)$/.test(name)) {
      element.setAttribute(name, value);
    } else {
      element[name] = value;
    }
  }
  element.append(...children.flat().filter((child) => child !== undefined && child !== false && child !== null));
  return element;
}

let shown;

/**
 * Shows what went wrong above the view. Without an error nothing did: what is shown goes, if it is of the
 * same kind of work.
 */
export function tell(error, work = "asked for") {
  if (!error && shown !== work) return;
  shown = error && work;
  const place = document.querySelector("#error");
  place.hidden = !error;
  // This is how fetch says that nobody answers.
  place.textContent = error instanceof TypeError ? "The server does not answer." : (error?.message ?? "");
}

/** The same work, whose failure is shown. */
export const told =
  (work) =>
  async (...args) => {
    try {
      await work(...args);
      tell();
    } catch (error) {
      tell(error);
    }
  };

export const button = (text, work, className = "quiet small") =>
  el("button", { type: "button", className, onclick: told(work) }, text);

const SVG = "http://www.w3.org/2000/svg";

/** A line of values, with what it says in words. */
export function sparkline(values, what) {
  const svg = document.createElementNS(SVG, "svg");
  const most = Math.max(...values, 1);
  const step = 200 / Math.max(values.length - 1, 1);
  const points = values.map((value, at) => `${(at * step).toFixed(1)},${(38 - (36 * value) / most).toFixed(1)}`);
  svg.setAttribute("viewBox", "0 0 200 40");
  svg.setAttribute("preserveAspectRatio", "none");
  svg.setAttribute("class", "spark");
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", what);
  const line = document.createElementNS(SVG, "polyline");
  line.setAttribute("points", points.join(" "));
  svg.append(line);
  return svg;
}

/**
 * A table whose rows are replaced by `show(items)`. `columns`: `[heading, cell(item), isNumber]`, where a
 * cell is text or an element. `key(item)` says which row is which, so that the focus stays.
 */
export function table(caption, columns, key) {
  const body = el("tbody");
  const head = el("tr", {}, columns.map(([name, , isNumber]) => el("th", { scope: "col", className: isNumber ? "number" : "" }, name)));
  const element = el(
    "div",
    { className: "scroll", tabIndex: 0, role: "region", "aria-label": caption },
    el("table", {}, el("caption", { className: "hidden" }, caption), el("thead", {}, head), body),
  );
  return {
    element,
    show(items, empty = "Nothing is here.") {
      const focused = document.activeElement?.closest?.("tr")?.dataset.key;
      const rows = items.map((item) => {
        const cells = columns.map(([, cell, isNumber]) => el("td", { className: isNumber ? "number" : "" }, cell(item)));
        const row = el("tr", {}, cells);
        row.dataset.key = key(item);
        return row;
      });
      body.replaceChildren(...(rows.length ? rows : [el("tr", {}, el("td", { colspan: columns.length, className: "empty" }, empty))]));
      if (focused !== undefined) {
        [...body.rows].find((row) => row.dataset.key === focused)?.querySelector("button")?.focus();
      }
    },
  };
}

/** Names and values. */
export const facts = (pairs) =>
  el("dl", { className: "facts" }, pairs.flatMap(([name, value]) => [el("dt", {}, name), el("dd", {}, value ?? "–")]));

/** A dialog, which is gone when it closes. */
export function dialog(title, ...children) {
  const element = el("dialog", { "aria-label": title });
  element.append(
    el("header", {}, el("h2", {}, title), button("Close", () => element.close())),
    ...children.flat().filter(Boolean),
  );
  element.onclose = () => element.remove();
  document.body.append(element);
  element.showModal();
  return element;
}

/** Asks before something that can't be undone, and says what came of it. */
export function confirm(title, text, verb, work) {
  const outcome = el("p", { role: "status" });
  const go = button(verb, async () => {
    go.disabled = true;
    try {
      outcome.textContent = await work();
      go.remove();
    } catch (error) {
      outcome.textContent = error.message;
      go.disabled = false;
    }
  }, "danger");
  return dialog(title, el("p", {}, text), go, outcome);
}

/** Asks for fields, `[label, input]` each, and says what came of it; it can be done again. */
export function ask(title, fields, verb, work) {
  const outcome = el("p", { role: "status" });
  const labels = fields.map(([label, input]) => el("label", {}, label, input));
  const form = el("form", {}, labels, el("button", { type: "submit" }, verb), outcome);
  form.onsubmit = async (event) => {
    event.preventDefault();
    try {
      outcome.textContent = await work();
    } catch (error) {
      outcome.textContent = error.message;
    }
  };
  return dialog(title, form);
}

/** A number of things, as `1 message`. */
export const many = (value, what) => `${count(value)} ${what}${value === 1 ? "" : "s"}`;

export const count = (value) => (value ?? 0).toLocaleString("en");

export const rate = (value) => (value >= 100 ? Math.round(value).toLocaleString("en") : (value ?? 0).toFixed(1));

export function bytes(value) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let at = 0;
  for (; value >= 1024 && at < units.length - 1; at++) value /= 1024;
  return `${at ? value.toFixed(1) : value} ${units[at]}`;
}

export function duration(ms) {
  const seconds = Math.floor(ms / 1000);
  for (const [unit, size] of [["d", 86400], ["h", 3600], ["min", 60]]) {
    if (seconds >= size) return `${Math.floor(seconds / size)} ${unit}`;
  }
  return `${seconds} s`;
}

export const time = (ms) => new Date(ms).toLocaleTimeString();
