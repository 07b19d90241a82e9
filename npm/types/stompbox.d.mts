import type { RootStomp } from "./root.mjs";

export * from "./client.mjs";
export * from "./connect.mjs";
export type { RootClient } from "./root.mjs";

/** The Stomp object of stomp.js. */
export declare const Stomp: RootStomp;
export default Stomp;
