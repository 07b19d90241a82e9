import { Stomp } from "stompbox";
import { Stomp as Classic } from "stompbox/classic";
import { readFrames } from "stompbox/core";

/** A message to itself over a WebSocket. */
globalThis.roundTrip = (url) =>
  new Promise((resolve, reject) => {
    if (Stomp.Frame !== Classic.Frame) reject(new Error("two copies"));
    if (readFrames("A\n\nb\0")[0].body !== "b") reject(new Error("no frames"));
    const client = Stomp.client(url);
    client.debug = null;
    const queue = `/queue/packaging-${Math.random()}`;
    client.connect(
      "guest",
      "guest",
      () => {
        client.subscribe(queue, ({ body }) => client.disconnect(() => resolve(body)));
        client.send(queue, {}, "hällo");
      },
      reject,
    );
  });
