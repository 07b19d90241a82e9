// Only the calls of stomp.js, on WebSockets.
export { Stomp } from "../classic/stomp.js";
export { Stomp as default } from "../classic/stomp.js";
