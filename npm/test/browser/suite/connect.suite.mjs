// Our own calls, end to end.

import { connect } from "/dist/esm/browser.mjs";

export const suite = "connect";

const OPTIONS = { delay: 20, maxDelay: 100 };

async function take(subscription, count) {
  const messages = [];
  for await (const message of subscription) {
    messages.push(message);
    if (messages.length === count) break;
  }
  return messages;
}

export const tests = {
  async "text and bytes of any size come as they were sent"({ broker, equal }) {
    const client = await connect(broker, OPTIONS);
    const bytes = Uint8Array.from({ length: 1 << 20 }, (_, at) => at);
    const bodies = ["h\u00e4llo \0 \ud83e\udd80", "", "\u00fc".repeat(1 << 19), bytes];
    const subscription = client.subscribe("/topic/suite-bodies", { ack: "auto" });
    for (const body of bodies) await client.publish("/topic/suite-bodies", body, { receipt: true });
    const got = await take(subscription, bodies.length);
    bodies.forEach((body, at) => {
      const { binaryBody } = got[at];
      const isSame = typeof body === "string" ? got[at].body === body : binaryBody.every((it, at) => it === body[at]);
      equal(isSame && (typeof body === "string" || binaryBody.length === body.length), true, String(at));
    });
    await client.close();
    equal(client.state, "closed");
  },

  async "asks, and commits"({ broker, equal }) {
    const client = await connect(broker, OPTIONS);
    const asked = client.subscribe("/queue/suite-asked");
    take(asked, 1).then(([{ headers }]) =>
      client.publish(headers["reply-to"], "42", { headers: { "correlation-id": headers["correlation-id"] } }),
    );
    equal((await client.request("/queue/suite-asked", "?")).json(), 42);
    equal(await client.transaction((tx) => tx.publish("/queue/suite-tx", "x").then(() => 7)), 7);
    await client.close();
  },

  async "has limits and signals"({ broker, equal }) {
    const client = await connect(broker, OPTIONS);
    const code = await client.request("/queue/suite-nobody", "", { timeout: 20 }).catch((error) => error.code);
    equal(code, "timeout");
    const aborter = new AbortController();
    const loop = take(client.subscribe("/topic/suite-end", { signal: aborter.signal }), 1);
    aborter.abort();
    equal(await loop.catch((error) => error.name), "AbortError");
    await client.close();
  },

  async "comes back when its server does, with each subscription once"({ broker, equal, until, kill, restart }) {
    const client = await connect(broker, OPTIONS);
    const events = [];
    for (const name of ["lost", "connected"]) client.on(name, () => events.push(name));
    const kept = client.subscribe("/topic/suite-kept", { ack: "auto" });
    await kept.ready;
    await kill();
    await until(() => events.includes("lost"));
    const sent = client.publish("/topic/suite-kept", "after", { receipt: true });
    await restart();
    await sent;
    await client.publish("/topic/suite-kept", "last", { receipt: true });
    equal((await take(kept, 2)).map(({ body }) => body), ["after", "last"]);
    equal(events, ["lost", "connected"]);
    await client.close();
  },
};
