// The calls of stomp.js.

/** Names and values of headers. */
export type Headers = Record<string, string | number | boolean | null | undefined>;

/** A STOMP frame. */
export declare class Frame {
  constructor(command: string, headers?: Record<string, any>, body?: string);
  command: string;
  headers: Record<string, string>;
  body: string;
  /** The body's bytes, of a frame that was received. */
  binaryBody?: Uint8Array;
  toString(): string;
  static sizeOfUTF8(text?: string): number;
  static marshall(command: string, headers?: Record<string, any>, body?: string): string;
  static unmarshall(data: string | Uint8Array): Frame[] & { frames: Frame[]; partial: string };
}

/** A message of a subscription. */
export interface Message extends Frame {
  ack(headers?: Headers): void;
  nack(headers?: Headers): void;
}

export interface Subscription {
  id: string;
  unsubscribe(headers?: Headers): void;
}

export interface Transaction {
  id: string;
  commit(): void;
  abort(): void;
}

/** Anything with the face of a WebSocket. */
export interface WebSocketLike {
  readonly url?: string;
  readonly readyState: number;
  binaryType?: string;
  onopen: ((event: any) => any) | null;
  onmessage: ((event: any) => any) | null;
  onerror?: ((event: any) => any) | null;
  onclose: ((event: any) => any) | null;
  send(data: any): void;
  close(code?: number, reason?: string): void;
}

export type ErrorCallback = (error: Frame | string) => any;

export interface Client {
  connected: boolean;
  counter: number;
  readonly version?: string;
  ws: WebSocketLike;
  heartbeat: { outgoing: number; incoming: number };
  maxWebSocketFrameSize: number;
  subscriptions: Record<string, (message: Message) => any>;
  debug: ((message: string) => any) | null;
  onreceive?: (message: Message) => any;
  onreceipt?: (frame: Frame) => any;
  connect(
    headers: Headers,
    onConnect: (frame: Frame) => any,
    onError?: ErrorCallback,
    onClose?: (event: any) => any,
  ): void;
  connect(
    login: string,
    passcode: string,
    onConnect: (frame: Frame) => any,
    onError?: ErrorCallback | null,
    host?: string,
  ): void;
  disconnect(callback?: () => any, headers?: Headers): void;
  send(destination: string, headers?: Headers, body?: string | Uint8Array | ArrayBuffer): void;
  subscribe(
    destination: string,
    callback: (message: Message) => any,
    headers?: Headers,
  ): Subscription;
  unsubscribe(id: string, headers?: Headers): void;
  begin(transaction?: string): Transaction;
  commit(transaction: string): void;
  abort(transaction: string): void;
  ack(messageId: string, subscription: string, headers?: Headers): void;
  nack(messageId: string, subscription: string, headers?: Headers): void;
}

export interface StompStatic {
  VERSIONS: { V1_0: string; V1_1: string; V1_2: string; supportedVersions(): string };
  Frame: typeof Frame;
  WebSocketClass?: any;
  client(url: string, protocols?: string | string[]): Client;
  over(ws: WebSocketLike | (() => WebSocketLike)): Client;
  /** In Node. `tls`: true, or options of `tls.connect`; others: of `net.connect`. */
  overTCP(host: string, port: number, options?: { tls?: boolean | object }): Client;
  /** In Node: the same by an object, `{ path }` for a Unix socket. */
  overTCP(to: { host?: string; port?: number; path?: string; tls?: boolean | object }): Client;
  /** In Node. `options`: of `ws`, as `{ headers }`. */
  overWS(url: string, protocols?: string | string[], options?: object): Client;
  setInterval(interval: number, callback: () => any): any;
  clearInterval(id: any): void;
}

export declare const Stomp: StompStatic;
export default Stomp;
