import { Client } from "./client.js";
import { stompOf } from "./object.js";

/** The Stomp object of stomp.js. */
export const Stomp = /* @__PURE__ */ stompOf((open, Stomp) => new Client(open, Stomp));
