// For a script tag or a classic worker: sets the global `Stomp`.
import { Stomp } from "../classic/stomp.js";

globalThis.Stomp = Stomp;
