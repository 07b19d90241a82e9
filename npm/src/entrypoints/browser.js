// ES module for browsers, bundlers and module workers.
import { Stomp } from "../classic/stomp.js";

export { Stomp };
export default Stomp;
