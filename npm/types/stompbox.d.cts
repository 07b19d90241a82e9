import type * as types from "./stompbox.js";

declare const Stomp: types.StompStatic & { Stomp: types.StompStatic };
export = Stomp;
