// The API of this listener; docs/admin.md has its paths.

/** What the server refused, in its words. */
export class Refused extends Error {
  constructor(status, { error, message } = {}) {
    super(message ?? `the server answers with ${status}`);
    this.status = status;
    this.code = error;
  }
}

async function ask(method, path, query = {}, body = undefined) {
  const given = Object.entries(query).filter(([, value]) => value !== undefined && value !== "");
  const search = new URLSearchParams(given);
  const headers = method === "GET" ? {} : { "x-stompbox-request": "1" };
  const response = await fetch(`/api/v1/${path}${given.length ? `?${search}` : ""}`, {
    method,
    headers,
    body: body && JSON.stringify(body),
  });
  if (!response.ok) {
    throw new Refused(response.status, await response.json().catch(() => ({})));
  }
  return response;
}

const json = async (...args) => (await ask(...args)).json();

export const get = (path, query) => json("GET", path, query);
export const post = (path, body) => json("POST", path, {}, body);
export const remove = (path, query) => json("DELETE", path, query);

/** Calls back with each event; fails when the server ends it. */
export async function follow(callback) {
  const response = await ask("GET", "events");
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) {
      throw new Error("the server has ended the events");
    }
    const lines = (rest + value).split("\n");
    rest = lines.pop();
    lines.filter(Boolean).forEach((line) => callback(JSON.parse(line)));
  }
}
