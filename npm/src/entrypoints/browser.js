// ES module for browsers, bundlers and module workers.
import { Stomp } from "../classic/stomp.js";

export { connect, StompError } from "../connect/connect.js";
export { Stomp };
export default Stomp;
