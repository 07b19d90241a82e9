import "/node_modules/stompbox/dist/stompbox.mjs";
import { Stomp } from "/node_modules/stompbox/dist/esm/browser.mjs";

onmessage = ({ data }) => {
  const client = Stomp.client(data);
  client.debug = null;
  const queue = `/queue/worker-${Math.random()}`;
  client.connect("guest", "guest", () => {
    client.subscribe(queue, ({ body }) => client.disconnect(() => postMessage(body)));
    client.send(queue, {}, "hällo");
  }, (error) => postMessage(String(error)));
};
