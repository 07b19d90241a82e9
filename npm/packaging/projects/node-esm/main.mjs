import defaulted, { Stomp } from "stompbox";
import * as classic from "stompbox/classic";
import { Kind, Session } from "stompbox/core";
import { Stomp as Csp } from "stompbox/csp";
import { roundTrip } from "../round-trip.cjs";

if (defaulted !== Stomp || classic.Stomp === Stomp || Csp === Stomp || Kind.FAILURE !== 8) {
  throw new Error("other exports than expected");
}
new Session({ versions: "1.2", outgoing: 0, incoming: 0, tolerance: 200 }).close();
await roundTrip(Stomp);
Csp.overTCP = Stomp.overTCP;
console.log("ok");
