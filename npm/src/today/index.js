export { Client } from "./client.js";
export { CompatClient, Stomp } from "./compat.js";
export { FrameImpl } from "./frame.js";
export { Parser } from "./parser.js";
export {
  ActivationState,
  ReconnectionTimeMode,
  StompConfig,
  StompHeaders,
  StompSocketState,
  TickerStrategy,
  Versions,
} from "./types.js";
