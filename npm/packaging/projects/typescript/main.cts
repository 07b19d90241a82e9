import Stomp = require("stompbox");
import classic = require("stompbox/classic");
import core = require("stompbox/core");

const client: Stomp.Client = Stomp.overTCP("127.0.0.1", 61613);
client.send("/a", {}, new Uint8Array(1));
const frame: Stomp.Frame = new classic.Stomp.Frame("SEND");
const session: core.Session | undefined = frame.body ? undefined : undefined;
void session;
