// What Node adds: TCP, and WebSocket where Node has none of its own.

import { TcpSocket } from "./tcp.js";

export function addNodeTransports(Stomp, net, require) {
  // Nothing to show on a console unless the program asks.
  Stomp.overTCP = (host, port) => {
    const client = Stomp.over(() => new TcpSocket(net, host, port));
    client.debug = null;
    return client;
  };
  Stomp.overWS = (url, protocols) => {
    const WebSocketClass = Stomp.WebSocketClass ?? globalThis.WebSocket ?? optional(require);
    const client = Stomp.over(
      () => new WebSocketClass(url, protocols ?? ["v10.stomp", "v11.stomp"]),
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
