import { StompError } from "./errors.js";

/** What `failover:(…)?…` can say, and the option that it is. */
const OPTIONS = {
  randomize: "randomize",
  initialReconnectDelay: "delay",
  maxReconnectDelay: "maxDelay",
  maxReconnectAttempts: "attempts",
};

/** The addresses to try in turn, and options that came with them. */
export function addresses(given) {
  const [, list, query] = /^failover:(?:\/\/)?\(([^)]*)\)(?:\?(.*))?$/.exec(given) ?? [];
  if (list === undefined) {
    return [[].concat(given), {}];
  }
  const options = {};
  for (const [name, value] of new URLSearchParams(query)) {
    if (!Object.keys(OPTIONS).includes(name)) {
      throw new StompError("address", `failover: ${name} is none of ${Object.keys(OPTIONS).join(", ")}`);
    }
    options[OPTIONS[name]] = name === "randomize" ? value === "true" : Number(value);
  }
  // -1: for ever.
  if (options.attempts < 0) {
    options.attempts = Infinity;
  }
  return [list.split(",").map((url) => url.trim()), options];
}

/** The list, in another order each time. */
export function shuffled(list) {
  const all = [...list];
  for (let at = all.length; at > 1; ) {
    const other = Math.floor(Math.random() * at--);
    [all[at], all[other]] = [all[other], all[at]];
  }
  return all;
}

/** A URL without login and passcode, and these. */
export function withoutLogin(text) {
  let url;
  try {
    url = new URL(text);
  } catch {
    // What can't be read may hold a passcode: it is not quoted.
    throw new StompError("address", "an address is no URL");
  }
  const headers = { host: url.hostname.replace(/^\[|\]$/g, "") || undefined };
  if (url.username) {
    headers.login = decodeURIComponent(url.username);
    headers.passcode = decodeURIComponent(url.password);
    url.username = url.password = "";
  }
  return [url, headers];
}
