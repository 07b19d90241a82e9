import type * as own from "./connect.mjs" with { "resolution-mode": "import" };
import type * as types from "./stompbox.mjs" with { "resolution-mode": "import" };

declare const Stomp: types.StompStatic & {
  Stomp: types.StompStatic;
  connect: typeof own.connect;
  StompError: typeof own.StompError;
};

declare namespace Stomp {
  type Address = own.Address;
  type Addresses = own.Addresses;
  type ClientEvents = own.ClientEvents;
  type ClientState = own.ClientState;
  type ConnectOptions = own.ConnectOptions;
  type MessageBody = own.MessageBody;
  type PublishOptions = own.PublishOptions;
  type RequestOptions = own.RequestOptions;
  type SocketLike = own.SocketLike;
  type StompClient = own.StompClient;
  type StompErrorCode = own.StompErrorCode;
  type StompHeadersInit = own.StompHeadersInit;
  type StompMessage = own.StompMessage;
  type StompSubscription = own.StompSubscription;
  type StompTransaction = own.StompTransaction;
  type SubscribeOptions = own.SubscribeOptions;
  type StompError = own.StompError;
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
