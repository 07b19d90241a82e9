// What Node adds: TCP, and WebSocket where Node has none of its own.

import { Client } from "../classic/client.js";
import { TcpSocket } from "./tcp.js";

export function addNodeTransports(Stomp, net, require) {
  // Nothing to show on a console unless the program asks.
  Stomp.overTCP = (host, port) => {
    const client = new Client(() => new TcpSocket(net, host, port), Stomp);
    client.debug = null;
    return client;
  };
  Stomp.overWS = (url, protocols) => {
    const WebSocketClass = Stomp.WebSocketClass ?? globalThis.WebSocket ?? optional(require);
    const client = new Client(
      () => new WebSocketClass(url, protocols ?? ["v10.stomp", "v11.stomp"]),
      Stomp,
    );
    client.debug = null;
    return client;
  };
}

function optional(require) {
  try {
    return require("ws");
  } catch {
    throw new Error("Stomp.overWS: this Node has no WebSocket; run `npm install ws`");
  }
}
