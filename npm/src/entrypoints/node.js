// ES module for Node.
import net from "node:net";
import { createRequire } from "node:module";
import { Stomp as Classic } from "../classic/stomp.js";
import { withCompat } from "../today/stomp.js";
import { addNodeTransports } from "../transports/node.js";

addNodeTransports(Classic, net, createRequire(import.meta.url));

export { connect, StompError } from "../connect/connect.js";
export * from "../today/index.js";
export const Stomp = /* @__PURE__ */ withCompat(Classic);
export default Stomp;
