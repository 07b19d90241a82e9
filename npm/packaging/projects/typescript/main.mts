import Stomp, { type Client, type Message, Stomp as Named } from "stompbox";
import { Stomp as Classic } from "stompbox/classic";
import { Kind, Session, readFrames, type Received } from "stompbox/core";
import Csp from "stompbox/csp";

const client: Client = Stomp.client("ws://127.0.0.1/", ["v11.stomp"]);
client.connect({ login: "a" }, (frame) => void frame.headers["server"]);
client.subscribe("/a", (message: Message) => message.ack());
export const same: boolean = Named === Classic || Named === Csp;
const session = new Session({ versions: ["1.2"], outgoing: 0, incoming: 0, tolerance: 200 });
const event = session.next();
export const text: string | undefined = event?.kind === Kind.FAILURE ? event.text : event?.body;
export const frames: Received[] = readFrames(new Uint8Array(0));
