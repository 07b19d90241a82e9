// What Node adds: TCP, TLS and Unix sockets, and WebSocket where Node has none of its own.

import { transports } from "./open.js";
import { TcpSocket } from "./tcp.js";

/** Ports of addresses without one. */
const TCP_PORT = 61613;
const TLS_PORT = 61614;

/** `make(open, Stomp)`: makes a client. */
export function addNodeTransports(Stomp, make, net, require) {
  /** `to`: as `net.connect` takes it; `tls`: true, or as `tls.connect` takes it. */
  const openTcp = (to, tls, url) => {
    if (!tls) {
      return new TcpSocket(net.connect(to), url);
    }
    // A name that is an address can't be asked for.
    const name = to.host && !net.isIP(to.host) ? { servername: to.host } : {};
    const options = { ...to, ...name, ...(tls === true ? {} : tls) };
    return new TcpSocket(require("node:tls").connect(options), url, "secureConnect");
  };

  const openWebSocket = (Given, url, protocols, more) => {
    const Class = Given ?? ((!more && globalThis.WebSocket) || optional(require));
    return more ? new Class(url, protocols, more) : new Class(url, protocols);
  };

  // Nothing to show on a console unless the program asks.
  const quiet = (open) => {
    const client = make(open, Stomp);
    client.debug = null;
    return client;
  };
  Stomp.overTCP = (host, port, { tls, ...more } = {}) => {
    const to = typeof host === "object" ? host : { host, port, ...more };
    // With the blank, as programs have seen it before.
    const url = `tcp:// ${to.path ?? `${to.host}:${to.port}`}`;
    return quiet(() => openTcp(to, to.tls ?? tls, url));
  };
  Stomp.overWS = (url, protocols = ["v10.stomp", "v11.stomp"], options) =>
    quiet(() => openWebSocket(Stomp.WebSocketClass, url, protocols, options));

  transports.open = (url, { protocols, tls, httpHeaders, WebSocket }) => {
    switch (url.protocol) {
      case "ws:":
      case "wss:": {
        const more = tls || httpHeaders ? { ...tls, headers: httpHeaders } : undefined;
        return openWebSocket(WebSocket, url.href, protocols, more);
      }
      case "stomp:":
      case "tcp:":
        return openTcp(where(url, TCP_PORT), undefined, url.href);
      case "stomp+tls:":
      case "stomp+ssl:":
        return openTcp(where(url, TLS_PORT), tls ?? true, url.href);
      case "stomp+unix:":
        return openTcp({ path: decodeURIComponent(url.pathname) }, undefined, url.href);
      default:
        throw new Error(
          `an address begins with ws:, wss:, stomp:, stomp+tls: or stomp+unix:, not ${url.protocol}`,
        );
    }
  };
}

const where = ({ hostname, port }, usual) => ({
  host: hostname.replace(/^\[|\]$/g, ""),
  port: Number(port) || usual,
});

function optional(require) {
  try {
    return require("ws");
  } catch {
    throw new Error("this Node has no WebSocket that does it; run `npm install ws`");
  }
}
