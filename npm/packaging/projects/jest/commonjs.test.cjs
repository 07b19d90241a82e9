const Stomp = require("stompbox");
const { readFrames } = require("stompbox/core");
const { roundTrip } = require("../round-trip.cjs");

test("a message goes through the broker", () => roundTrip(Stomp));

test("frames are read", () => {
  expect(readFrames("A\n\nb\0")[0].body).toBe("b");
});
