// CommonJS for bundlers: `require("stompbox")` is the Stomp object, with everything else on it.
const { connect, StompError } = require("../connect/connect.js");
const { rootStomp } = require("../root/stomp.js");
const today = require("../today/index.js");

const Stomp = rootStomp();
module.exports = Object.assign(Stomp, today, { Stomp, connect, StompError });
