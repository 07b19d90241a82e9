import Stomp, { connect, Stomp as Named, type StompClient, StompError } from "stompbox";
import { Stomp as Classic } from "stompbox/classic";
import { Kind, Session, readFrames, type Received } from "stompbox/core";
import Csp from "stompbox/csp";

const client = Stomp.client("ws://127.0.0.1/", ["v11.stomp"]);
client.connect({ login: "a" }, (frame) => void frame.headers["server"]);
client.subscribe("/a", (message) => message.ack());
export const same: boolean = Named === Classic || Named === Csp;
const session = new Session({ versions: ["1.2"], outgoing: 0, incoming: 0, tolerance: 200 });
const event = session.next();
export const text: string | undefined = event?.kind === Kind.FAILURE ? event.text : event?.body;
export const frames: Received[] = readFrames(new Uint8Array(0));

export async function own(): Promise<string | undefined> {
  await using own: StompClient = await connect(["ws://127.0.0.1/", "stomp://127.0.0.1"], { login: "a" });
  own.on("lost", (error: StompError) => void error.code);
  for await (const message of own.subscribe("/a", { prefetch: 1 })) {
    message.ack();
    return message.body;
  }
  return (await own.request("/a", "b", { timeout: 1 })).headers["x"];
}
