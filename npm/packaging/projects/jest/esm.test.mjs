import Stomp from "stompbox";
import { Session } from "stompbox/core";
import { roundTrip } from "../round-trip.cjs";

test("a message goes through the broker", () => roundTrip(Stomp));

test("a session opens", () => {
  const session = new Session({ versions: "1.2", outgoing: 0, incoming: 0, tolerance: 200 });
  expect(session.transmit()).toMatch(/^CONNECT\n/);
});
