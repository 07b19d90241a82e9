import Stomp, { Client as Today, type RootClient, type IMessage, Stomp as Named, connect } from "stompbox";
import { type Client, type Message, Stomp as Classic } from "stompbox/classic";
import { Client as Same } from "stompbox/client";
import { Kind, Session, readFrames, type Received } from "stompbox/core";
import Csp from "stompbox/csp";

const client: RootClient = Stomp.client("ws://127.0.0.1/", ["v11.stomp"]);
export const classic: Client = Classic.client("ws://127.0.0.1/");
client.connect({ login: "a" }, (frame) => void frame.headers["server"]);
client.subscribe("/a", (message: Message) => message.ack());
export const same: boolean = Named === Csp;
const session = new Session({ versions: ["1.2"], outgoing: 0, incoming: 0, tolerance: 200 });
const event = session.next();
export const text: string | undefined = event?.kind === Kind.FAILURE ? event.text : event?.body;
export const frames: Received[] = readFrames(new Uint8Array(0));
export const today: Same = new Today({ onUnhandledMessage: (message: IMessage) => message.ack() });
export const own = connect("ws://127.0.0.1/").then((client) => client.close());
