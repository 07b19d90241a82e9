const Stomp = require("stompbox");
const classic = require("stompbox/classic");
const { readFrames } = require("stompbox/core");
const csp = require("stompbox/csp");
const { roundTrip } = require("../round-trip.cjs");

if (Stomp.Stomp !== Stomp || typeof csp.client !== "function") throw new Error("not the Stomp object");
if (classic.Stomp.VERSIONS.V1_1 !== "1.1") throw new Error("not the classic face");
if (readFrames("A\n\nb\0")[0].body !== "b") throw new Error("no frames");
roundTrip(Stomp).then(() => console.log("ok"));
