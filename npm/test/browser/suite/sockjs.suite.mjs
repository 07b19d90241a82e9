// sockjs-client at the broker's SockJS, which is another origin's.

import { connect, Stomp } from "/dist/esm/browser.mjs";

export const suite = "SockJS";

const loaded = new Promise((resolve, reject) => {
  const script = document.createElement("script");
  script.src = "/peers/sockjs-client/dist/sockjs.min.js";
  script.onload = resolve;
  script.onerror = () => reject(new Error(script.src));
  document.head.append(script);
});

/** A function that opens the one transport. */
async function by(transport, broker) {
  await loaded;
  const url = new URL("/sockjs", broker.replace(/^ws/, "http")).href;
  return () => new SockJS(url, null, { transports: [transport] });
}

const over = (transport) => async ({ broker, equal }) => {
  const open = await by(transport, broker);
  const client = await connect(open);
  const name = `/queue/suite-${transport}`;
  const bodies = ["h\u00e4llo \0 \ud83e\udd80", "", "\u00fc".repeat(1 << 16)];
  const subscription = client.subscribe(name);
  for (const body of bodies) await client.publish(name, body, { receipt: true });
  for await (const { body } of subscription) {
    equal(body === bodies.shift(), true, name);
    if (!bodies.length) break;
  }
  await client.close();
  const classic = Stomp.over(open());
  classic.debug = null;
  const body = await new Promise((resolve, reject) => {
    classic.connect({}, () => {
      classic.subscribe(name, ({ body }) => classic.disconnect(() => resolve(body)));
      classic.send(name, {}, transport);
    }, reject);
  });
  equal(body, transport);
};

export const tests = Object.fromEntries(
  ["websocket", "xhr-streaming", "eventsource", "xhr-polling"].map((transport) => [
    `messages go both ways by ${transport}`,
    over(transport),
  ]),
);
