// CommonJS for Node: `require("stompbox")` is the Stomp object, with everything else on it.
const net = require("node:net");
const { connect, StompError } = require("../connect/connect.js");
const { makeClient, rootStomp } = require("../root/stomp.js");
const today = require("../today/index.js");
const { addNodeTransports } = require("../transports/node.js");

const Stomp = rootStomp();
addNodeTransports(Stomp, makeClient, net, require);
module.exports = Object.assign(Stomp, today, { Stomp, connect, StompError });
