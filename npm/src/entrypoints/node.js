// ES module for Node.
import net from "node:net";
import { createRequire } from "node:module";
import { Stomp } from "../classic/stomp.js";
import { addNodeTransports } from "../transports/node.js";

addNodeTransports(Stomp, net, createRequire(import.meta.url));

export { connect, StompError } from "../connect/connect.js";
export { Stomp };
export default Stomp;
