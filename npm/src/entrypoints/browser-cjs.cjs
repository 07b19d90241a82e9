// CommonJS for bundlers: `require("stompbox")` is the Stomp object.
const { Stomp } = require("../classic/stomp.js");
const { connect, StompError } = require("../connect/connect.js");

Object.assign(Stomp, { Stomp, connect, StompError });
module.exports = Stomp;
