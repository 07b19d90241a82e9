/** Opens what an address names; Node has more. */
export const transports = {
  /** `url`: a URL; `options`: `protocols`, and what Node needs. */
  open(url, { protocols, WebSocket: Class = globalThis.WebSocket }) {
    if (!/^wss?:$/.test(url.protocol)) {
      throw new Error(`an address that begins with ${url.protocol} needs Node; here it is ws: or wss:`);
    }
    if (!Class) {
      throw new Error("there is no WebSocket here: give the option WebSocket");
    }
    return new Class(url.href, protocols);
  },
};
