// ES module for browsers, bundlers and module workers.
import { rootStomp } from "../root/stomp.js";

export { connect, StompError } from "../connect/connect.js";
export * from "../today/index.js";
export const Stomp = /* @__PURE__ */ rootStomp();
export default Stomp;
