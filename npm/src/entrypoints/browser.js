// ES module for browsers, bundlers and module workers.
import { Stomp as Classic } from "../classic/stomp.js";
import { withCompat } from "../today/stomp.js";

export { connect, StompError } from "../connect/connect.js";
export * from "../today/index.js";
export const Stomp = /* @__PURE__ */ withCompat(Classic);
export default Stomp;
