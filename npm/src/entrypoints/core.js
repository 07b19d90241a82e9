// The protocol without sockets, timers or callbacks, for those who build a client of their own.
export { Kind, Session, readFrames } from "../core/session.js";
