import type * as types from "./stompbox.mjs" with { "resolution-mode": "import" };

declare const Stomp: types.StompStatic & { Stomp: types.StompStatic };

declare namespace Stomp {
  type Client = types.Client;
  type ErrorCallback = types.ErrorCallback;
  type Frame = types.Frame;
  type Headers = types.Headers;
  type Message = types.Message;
  type StompStatic = types.StompStatic;
  type Subscription = types.Subscription;
  type Transaction = types.Transaction;
  type WebSocketLike = types.WebSocketLike;
}

export = Stomp;
