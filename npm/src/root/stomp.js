import { stompOf } from "../classic/object.js";
import { CompatClient, Stomp as Compat } from "../today/compat.js";
import { RootClient } from "./client.js";

/** A client of both faces. */
export const makeClient = (open, Stomp) => new RootClient(open, Stomp);

/**
 * The Stomp object of stomp.js, which serves those too who know it from @stomp/stompjs: what gives
 * a socket for each attempt makes a `CompatClient`, and so does a client without a URL.
 */
export function rootStomp() {
  const Stomp = stompOf(makeClient);
  const { client, over } = Stomp;
  return Object.assign(Stomp, {
    client: (url, ...rest) => (url === undefined ? Compat : { client }).client(url, ...rest),
    over(ws) {
      if (typeof ws === "function") {
        return new CompatClient(ws);
      }
      console.warn(
        "Stomp.over did not receive a factory, auto reconnect will not work: give it () => new SockJS(url), say",
      );
      return over(ws);
    },
  });
}
