import { every } from "../ticker.js";
import { Frame } from "./frame.js";

/** A Stomp object as that of stomp.js: `make(open, Stomp)` makes its clients, `open()` their sockets. */
export function stompOf(make) {
  const Stomp = {
    VERSIONS: {
      V1_0: "1.0",
      V1_1: "1.1",
      V1_2: "1.2",
      /** What `accept-version` says; in 1.2 `client.ack` would need other arguments. */
      supportedVersions() {
        return "1.1,1.0";
      },
    },

    Frame,

    /** A client on a new WebSocket, which opens at once. */
    client(url, protocols = ["v10.stomp", "v11.stomp"]) {
      const open = () => {
        const WebSocketClass = Stomp.WebSocketClass || globalThis.WebSocket;
        if (!WebSocketClass) {
          throw new Error("Stomp.client: there is no WebSocket here; use Stomp.overWS or Stomp.over");
        }
        return new WebSocketClass(url, protocols);
      };
      return make(open, Stomp);
    },

    /** A client on a socket with the face of a WebSocket, or on what a function gives. */
    over(ws) {
      return make(typeof ws === "function" ? ws : () => ws, Stomp);
    },

    /**
     * Calls `callback` every `interval` milliseconds, in a hidden page too; programs may replace it.
     */
    setInterval: (interval, callback) => every(interval, callback),

    /** Ends what `setInterval` began. */
    clearInterval: (end) => end(),
  };
  return Stomp;
}
