// CommonJS for bundlers: `require("stompbox")` is the Stomp object, with everything else on it.
const { Stomp } = require("../classic/stomp.js");
const { connect, StompError } = require("../connect/connect.js");
const { withCompat } = require("../today/stomp.js");
const today = require("../today/index.js");

module.exports = withCompat(Object.assign(Stomp, today, { Stomp, connect, StompError }));
