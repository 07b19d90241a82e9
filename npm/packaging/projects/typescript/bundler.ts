import Stomp, { type RootClient } from "stompbox";
import { type Client, Stomp as Classic } from "stompbox/classic";
import { Session } from "stompbox/core";

export const client: RootClient = Stomp.client("ws://127.0.0.1/");
export const classic: Client = Classic.client("ws://127.0.0.1/");
export const session = new Session({ versions: "1.2", outgoing: 0, incoming: 0, tolerance: 200 });
