// ES module for Node.
import net from "node:net";
import { createRequire } from "node:module";
import { makeClient, rootStomp } from "../root/stomp.js";
import { addNodeTransports } from "../transports/node.js";

export { connect, StompError } from "../connect/connect.js";
export * from "../today/index.js";
export const Stomp = /* @__PURE__ */ rootStomp();
export default Stomp;

addNodeTransports(Stomp, makeClient, net, createRequire(import.meta.url));
