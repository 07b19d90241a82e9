// What the root module has beside the others'.

import type { Headers, StompStatic, WebSocketLike } from "./classic.mjs";
import type { closeEventCallbackType, CompatClient, frameCallbackType, messageCallbackType } from "./client.mjs";

/** A client with the calls of stomp.js, and with those of @stomp/stompjs. Its socket opens at once. */
export interface RootClient extends CompatClient {
  /** How many ids were made. */
  readonly counter: number;
  /** Callbacks by the ids of their subscriptions. */
  readonly subscriptions: Record<string, messageCallbackType>;
  /** As `connect` got it. */
  connectCallback?: (frame: any) => any;
  /** As `connect` got it: gets an ERROR frame, or a text when the connection is lost. */
  errorCallback?: (error: any) => any;
  connect(
    headers: Headers,
    onConnect: frameCallbackType,
    onError?: ((error: any) => any) | null,
    onClose?: closeEventCallbackType,
  ): void;
  connect(
    login: string,
    passcode: string,
    onConnect: frameCallbackType,
    onError?: ((error: any) => any) | null,
    host?: string,
  ): void;
  connect(...args: any[]): void;
  send(
    destination: string,
    headers?: { [key: string]: any },
    body?: string | Uint8Array | ArrayBuffer,
  ): void;
}

/** The Stomp object of stomp.js, for programs on @stomp/stompjs too. */
export interface RootStomp extends Pick<StompStatic, "VERSIONS" | "Frame" | "setInterval" | "clearInterval"> {
  WebSocketClass: any;
  client(url: string, protocols?: string | string[]): RootClient;
  /** A client that makes a socket for each attempt. */
  over(factory: () => any): CompatClient;
  over(ws: WebSocketLike): RootClient;
  over(ws: any): CompatClient;
  /** In Node. `tls`: true, or options of `tls.connect`; others: of `net.connect`. */
  overTCP(host: string, port: number, options?: { tls?: boolean | object }): RootClient;
  /** In Node: the same by an object, `{ path }` for a Unix socket. */
  overTCP(to: { host?: string; port?: number; path?: string; tls?: boolean | object }): RootClient;
  /** In Node. `options`: of `ws`, as `{ headers }`. */
  overWS(url: string, protocols?: string | string[], options?: object): RootClient;
}
