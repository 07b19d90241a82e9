// CommonJS for Node: `require("stompbox")` is the Stomp object, with everything else on it.
const net = require("node:net");
const { Stomp } = require("../classic/stomp.js");
const { connect, StompError } = require("../connect/connect.js");
const { withCompat } = require("../today/stomp.js");
const today = require("../today/index.js");
const { addNodeTransports } = require("../transports/node.js");

addNodeTransports(Stomp, net, require);
module.exports = withCompat(Object.assign(Stomp, today, { Stomp, connect, StompError }));
