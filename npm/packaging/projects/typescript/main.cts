import Stomp = require("stompbox");
import classic = require("stompbox/classic");
import core = require("stompbox/core");

const client: Stomp.RootClient = Stomp.overTCP("127.0.0.1", 61613);
client.send("/a", {}, new Uint8Array(1));
const frame: classic.Frame = new classic.Stomp.Frame("SEND");
const session: core.Session | undefined = frame.body ? undefined : undefined;
void session;
const today: Stomp.Client = new Stomp.Client({ onUnhandledMessage: (message: Stomp.IMessage) => message.ack() });
void today;
