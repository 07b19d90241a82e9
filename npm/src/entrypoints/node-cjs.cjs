// CommonJS for Node: `require("stompbox")` is the Stomp object.
const net = require("node:net");
const { Stomp } = require("../classic/stomp.js");
const { addNodeTransports } = require("../transports/node.js");

addNodeTransports(Stomp, net, require);
Stomp.Stomp = Stomp;
module.exports = Stomp;
