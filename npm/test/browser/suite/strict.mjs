// Under a policy that forbids WebAssembly: the usual build says what to do, the csp build works. Tells
// the page that opened it.

import { Stomp } from "/dist/csp/browser.mjs";
import { Session } from "/dist/esm/core.mjs";

const told = {};
try {
  new Session({ versions: "1.2", outgoing: 0, incoming: 0, tolerance: 200 });
  told.refused = "";
} catch (error) {
  told.refused = error.message;
}
const url = await (await fetch("/broker")).text();
const client = Stomp.client(url);
client.debug = null;
client.connect(
  "guest",
  "guest",
  () => {
    client.subscribe("/queue/strict", ({ body }) => {
      told.body = body;
      client.disconnect(() => parent.postMessage(told, "*"));
    });
    client.send("/queue/strict", {}, "h\u00e4llo\0");
  },
  (error) => parent.postMessage({ ...told, body: String(error) }, "*"),
);
