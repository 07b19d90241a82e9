import Stomp from "stompbox";
import type { Client } from "stompbox/classic";
import { Session } from "stompbox/core";

export const client: Client = Stomp.client("ws://127.0.0.1/");
export const session = new Session({ versions: "1.2", outgoing: 0, incoming: 0, tolerance: 200 });
