// CommonJS for bundlers: `require("stompbox")` is the Stomp object.
const { Stomp } = require("../classic/stomp.js");

Stomp.Stomp = Stomp;
module.exports = Stomp;
