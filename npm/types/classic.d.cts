import type * as types from "./stompbox.mjs" with { "resolution-mode": "import" };

export declare const Stomp: types.StompStatic;
export default Stomp;
export type Client = types.Client;
export type ErrorCallback = types.ErrorCallback;
export type Frame = types.Frame;
export type Headers = types.Headers;
export type Message = types.Message;
export type StompStatic = types.StompStatic;
export type Subscription = types.Subscription;
export type Transaction = types.Transaction;
export type WebSocketLike = types.WebSocketLike;
