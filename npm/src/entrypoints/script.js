// For a script tag or a classic worker: sets the global `Stomp`. Where CommonJS loads it, as the old
// `lib/stomp.js`, it is `exports.Stomp`.
import { Stomp } from "../classic/stomp.js";

const isCommonJs = typeof exports === "object" && exports !== null;
if (isCommonJs) {
  exports.Stomp = Stomp;
}
if (!isCommonJs || typeof window === "object") {
  globalThis.Stomp = Stomp;
}
