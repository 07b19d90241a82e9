// CommonJS for Node: `require("stompbox")` is the Stomp object.
const net = require("node:net");
const { Stomp } = require("../classic/stomp.js");
const { connect, StompError } = require("../connect/connect.js");
const { addNodeTransports } = require("../transports/node.js");

addNodeTransports(Stomp, net, require);
Object.assign(Stomp, { Stomp, connect, StompError });
module.exports = Stomp;
