/// <reference lib="esnext.disposable" />

/** Names and values; `null` and `undefined` mean no header. */
export type StompHeadersInit = Record<string, string | number | boolean | null | undefined>;

/** Anything with the face of a WebSocket: a SockJS object, one of `ws`, one of your own. */
export interface SocketLike {
  readonly readyState: number;
  binaryType?: string;
  onopen: ((event: any) => any) | null;
  onmessage: ((event: any) => any) | null;
  onerror?: ((event: any) => any) | null;
  onclose: ((event: any) => any) | null;
  send(data: any): void;
  close(code?: number, reason?: string): void;
}

/** A URL (`ws:`, `wss:`; in Node also `stomp:`, `stomp+tls:`, `stomp+unix:`), or a socket. */
export type Address = string | URL | SocketLike;

/**
 * An address, a list to try in turn, `failover:(…,…)?randomize=true`, or a function that is called for
 * each attempt, with the number of failed rounds before it.
 */
export type Addresses =
  | Address
  | readonly (Address | ((round: number) => Address | Promise<Address>))[]
  | ((round: number) => Address | Promise<Address>);

/** Options of `connect`. Times are in milliseconds. */
export interface ConnectOptions {
  /** May also stand in the URL. */
  login?: string;
  passcode?: string;
  /** The virtual host. Default: the URL's host. `null` sends none; RabbitMQ's first is `/`. */
  host?: string | null;
  /** More headers of CONNECT, or a function that gives them for each attempt. */
  headers?: StompHeadersInit | ((round: number) => StompHeadersInit | Promise<StompHeadersInit>);
  /** Versions to offer. Default: `"1.2,1.1,1.0"`. */
  versions?: string | readonly string[];
  /** Sub-protocols of the WebSocket. Default: those of `versions`. */
  protocols?: string[];
  /** Heart-beats that this end can send and would like to get. Default: 10,000 each; `false`: none. */
  heartbeat?: { outgoing?: number; incoming?: number } | false;
  /** How long the server may be silent, in percent of the agreed interval. Default: 200. */
  tolerance?: number;
  /** The limit of an attempt, of receipts and of answers. Default: 10,000. */
  timeout?: number;
  /** The limit of the receipt of DISCONNECT, and again of the socket's close. Default: 2,000. */
  limit?: number;
  /** The wait before the first new attempt; it doubles with each round. Default: 1,000. */
  delay?: number;
  /** The longest wait. Default: 30,000. */
  maxDelay?: number;
  /** How much of the wait is up to chance, from 0 to 1. Default: 0.5. */
  jitter?: number;
  /** Most rounds through the addresses before the client ends. Default: no limit. */
  attempts?: number;
  /** The same before there ever was a connection. Default: 1. */
  initialAttempts?: number;
  /** Whether each round takes the addresses in another order. Default: false. */
  randomize?: boolean;
  /** What becomes of a message that is published without a connection. Default: `"queue"`. */
  offline?: "queue" | "throw" | "drop";
  /** Most messages that wait for a connection. Default: 1,000. */
  queueSize?: number;
  /** The longest that they wait. Default: 60,000. */
  queueTimeout?: number;
  /** Gets lines about what is sent and comes: heads only, and no passcode. */
  debug?: (line: string) => void;
  /** With `debug`: whole frames. Default: false. */
  raw?: boolean;
  /** Ends connecting, and later the client. */
  signal?: AbortSignal;
  /** Cuts outgoing frames into pieces of so many characters, for servers that need it. */
  split?: number;
  /** Sends everything as bytes. Default: only in React Native. */
  binary?: boolean;
  /** Puts back the NUL that the host chops off. Default: only in React Native. */
  addNull?: boolean;
  /** The class to make sockets of. Default: the global one; in Node else that of `ws`. */
  WebSocket?: new (url: string, protocols?: string[], options?: any) => SocketLike;
  /** In Node: headers of the WebSocket's HTTP request. Needs `ws`. */
  httpHeaders?: Record<string, string>;
  /** In Node: options of `tls.connect`, as `ca`, `cert` and `key`. */
  tls?: object;
}

/** Options of `publish`. */
export interface PublishOptions {
  headers?: StompHeadersInit;
  /** Whether to ask for a receipt, for which the promise then waits. Default: false. */
  receipt?: boolean;
  /**
   * With `receipt`: sends the message again on the next connection if this one is lost before the
   * receipt, so that it may arrive twice. Default: false, the promise fails.
   */
  retry?: boolean;
  /** Whether the frame has a `content-length`. Default: true. ActiveMQ takes those without for text. */
  contentLength?: boolean;
  /** The limit of the receipt. Default: that of the client. */
  timeout?: number;
  signal?: AbortSignal;
}

/** Options of `subscribe`. */
export interface SubscribeOptions {
  /** The subscription's id. Default: a new one. */
  id?: string;
  /** Headers of SUBSCRIBE, or a function that gives them for each connection. */
  headers?: StompHeadersInit | (() => StompHeadersInit);
  /**
   * `"auto"`: messages are not acknowledged. `"client"`, `"client-individual"`: the program does it.
   * Default: `client-individual`, and the loop acknowledges a message when it asks for the next.
   */
  ack?: "auto" | "client" | "client-individual";
  /** Most messages that the server gives before they are acknowledged. Default: 32, with `ack` none. */
  prefetch?: number;
  /** Most messages that wait to be read. Default: 1,000. */
  buffer?: number;
  /** Beyond `buffer`: the subscription fails, or loses its oldest message. Default: `"fail"`. */
  overflow?: "fail" | "oldest";
  /** Ends the subscription; the loop throws the signal's reason. */
  signal?: AbortSignal;
}

/** Options of `request`. */
export interface RequestOptions extends PublishOptions {
  /** Where answers come. Default: a temporary queue of this client. */
  replyTo?: string;
}

/** A message that came. */
export interface StompMessage {
  readonly destination: string;
  readonly headers: Record<string, string>;
  /** The body as text. */
  readonly body: string;
  /** The body as bytes. */
  readonly binaryBody: Uint8Array;
  /** The body, parsed. */
  json(): any;
  /** Whether `ack` or `nack` was called. */
  readonly isAcknowledged: boolean;
  /** Throws a `StompError` (`"lost"`) if the connection that brought the message has gone. */
  ack(headers?: StompHeadersInit): void;
  nack(headers?: StompHeadersInit): void;
}

/** A subscription: read it by `for await`. Leaving the loop ends it. */
export interface Subscription extends AsyncIterable<StompMessage> {
  readonly id: string;
  readonly destination: string;
  /** Fulfilled at the server's receipt of the first SUBSCRIBE. Some servers send none. */
  readonly ready: Promise<void>;
  /** Ends it; the loop gets what has come, and then ends. `headers` of the frame end a durable one for good. */
  unsubscribe(options?: { headers?: StompHeadersInit }): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/** A transaction, for the function that was given to `transaction`. */
export interface StompTransaction {
  readonly id: string;
  publish(destination: string, body?: MessageBody, options?: PublishOptions): Promise<void>;
  ack(message: StompMessage): void;
  nack(message: StompMessage): void;
}

/** What can be sent. */
export type MessageBody = string | Uint8Array | ArrayBuffer;

/** What a client is about. */
export type ClientState = "connecting" | "connected" | "waiting" | "closing" | "closed";

/** Events, and what their callbacks get. */
export interface ClientEvents {
  /** The state has changed. */
  state: [state: ClientState];
  /** There is a connection, the first after `connect` included if you are in time: CONNECTED's headers. */
  connected: [headers: Record<string, string>];
  /** The connection is lost; the next is tried. */
  lost: [error: StompError];
  /** An attempt has failed. */
  failed: [error: unknown];
  /** The server sent ERROR. It closes the connection then. */
  error: [error: StompError];
  /** A message came that belongs to no subscription. */
  message: [message: StompMessage];
  /** A heart-beat came. */
  beat: [];
  /** The client has ended. */
  closed: [error: unknown];
}

/** A client, over as many connections as it takes. */
export interface StompClient {
  readonly state: ClientState;
  /** The version of the protocol on the last connection: `"1.2"`. */
  readonly version: string | undefined;
  /** What the server calls itself. */
  readonly server: string | undefined;
  /** Fulfilled when the client has ended: with the error that ended it, if there was one. */
  readonly closed: Promise<unknown>;
  /** Calls back at each event of a name. Returns what ends that. */
  on<Name extends keyof ClientEvents>(
    name: Name,
    callback: (...args: ClientEvents[Name]) => void,
  ): () => void;
  /**
   * Sends a message. The promise is fulfilled when it is handed to a socket that holds at most 1 MiB
   * of what is to be sent, with `receipt` when the server has confirmed it. Nobody has to wait for it: a failure is not reported elsewhere.
   */
  publish(destination: string, body?: MessageBody, options?: PublishOptions): Promise<void>;
  /** Subscribes, on this connection and those that follow. Throws if the client is closed. */
  subscribe(destination: string, options?: SubscribeOptions): Subscription;
  /** Publishes with `reply-to` and `correlation-id`, and gives the answer to that. */
  request(destination: string, body?: MessageBody, options?: RequestOptions): Promise<StompMessage>;
  /** Begins a transaction, calls `work` with it, and commits it, or aborts it if `work` fails. */
  transaction<Result>(
    work: (transaction: StompTransaction) => Result | Promise<Result>,
    options?: { signal?: AbortSignal; timeout?: number },
  ): Promise<Result>;
  /** Leaves this connection for a new one, with fresh address and headers; subscriptions stay. */
  reconnect(options?: { signal?: AbortSignal }): Promise<void>;
  /** Takes leave of the server and ends the client. Never fails. */
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/** What went wrong. */
export declare class StompError extends Error {
  constructor(code: StompErrorCode, message: string, more?: object);
  readonly code: StompErrorCode;
  /** The server's ERROR. */
  readonly frame?: { readonly headers: Record<string, string>; readonly body: string };
}

/**
 * `address`: it can't be used. `refused`: the server does not let us in. `server`: it sent ERROR.
 * `protocol`: it broke the protocol. `lost`: there was no connection, or no longer. `timeout`: a limit.
 * `offline`, `full`: a message was not queued. `overflow`: nobody read. `closed`: by the program.
 */
export type StompErrorCode =
  | "address"
  | "refused"
  | "server"
  | "protocol"
  | "lost"
  | "timeout"
  | "offline"
  | "full"
  | "overflow"
  | "closed";

/** Connects: a client, once there is a connection. */
export declare function connect(addresses: Addresses, options?: ConnectOptions): Promise<StompClient>;
