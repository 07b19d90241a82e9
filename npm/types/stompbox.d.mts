import type { StompStatic } from "./classic.mjs";
import type { CompatClient } from "./client.mjs";

export * from "./client.mjs";
export * from "./connect.mjs";

/** The Stomp object of stomp.js. */
export declare const Stomp: {
  /** A client that makes a socket for each attempt. */
  over(factory: () => any): CompatClient;
} & StompStatic;
export default Stomp;
