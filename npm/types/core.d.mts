/** What `Session.next` gives. */
export declare const Kind: {
  readonly CONNECTED: 1;
  /** `MESSAGE` of a subscription of this session, or without a `subscription` header. */
  readonly MESSAGE: 2;
  /** `MESSAGE` of another. */
  readonly UNKNOWN_MESSAGE: 3;
  readonly RECEIPT: 4;
  /** The receipt of `DISCONNECT`: the server has all. */
  readonly DISCONNECTED: 5;
  readonly ERROR: 6;
  /** A frame that no version defines. */
  readonly UNHANDLED: 7;
  /** The server broke the protocol; nothing comes after it. */
  readonly FAILURE: 8;
  /** What `readFrames` gives. */
  readonly FRAME: 9;
};

export interface Received {
  readonly kind: 1 | 2 | 3 | 4 | 5 | 6 | 7 | 9;
  readonly command: string;
  /** Of a repeated header the first. */
  readonly headers: Record<string, string>;
  /** The body as text; decoded when it is first read, if it came as bytes. */
  readonly body: string;
  /** The body as bytes; encoded when they are first read, if it came as text. */
  readonly binaryBody: Uint8Array;
}

export interface Failure {
  readonly kind: 8;
  /** What the server did. */
  readonly text: string;
}

/** Names and values; `null` and `undefined` mean no header. */
export type Headers = Record<string, string | number | boolean | null | undefined>;

export interface SessionOptions {
  /** The versions to offer: `"1.2,1.1"`. */
  versions: string | readonly string[];
  /** Milliseconds between heart-beats that this end can send; 0: none. */
  outgoing: number;
  /** Milliseconds between heart-beats that this end would like to get; 0: none. */
  incoming: number;
  /** How long the server may be silent, in percent of the agreed interval, at least 100. */
  tolerance: number;
  /** Headers of `CONNECT`; `accept-version` and `heart-beat` among them stand for those above. */
  headers?: Headers;
}

/**
 * One connection's protocol, without its socket: give what comes to `feed`, call `next` until it is
 * undefined, and send what `transmit` gives until it is undefined. Requests throw what is wrong with
 * them, and then send nothing. Call `close` at the end.
 */
export declare class Session {
  /** A session whose `CONNECT` is ready to be transmitted. */
  constructor(options: SessionOptions);
  /** Takes the data of a socket's message; a frame may be in many, and many in one. */
  feed(data: string | ArrayBuffer | ArrayBufferView): void;
  /** What the data hold next. */
  next(): Received | Failure | undefined;
  /** The next frame to send: text, or bytes if its body is. */
  transmit(): string | Uint8Array | undefined;
  /** Queues `SEND`; without `withLength` there is no `content-length`, and no NUL in the body. */
  send(destination: string, headers: Headers | undefined, body: string | Uint8Array, withLength: boolean): void;
  subscribe(
    id: string,
    destination: string,
    ack: "auto" | "client" | "client-individual",
    headers?: Headers,
  ): void;
  unsubscribe(id: string, headers?: Headers): void;
  /** Queues `ACK`, or `NACK` if not `consumed`, in the form of the version. */
  acknowledge(
    consumed: boolean,
    message: { ack?: string; messageId?: string; subscription?: string },
    headers?: Headers,
  ): void;
  begin(transaction: string): void;
  commit(transaction: string): void;
  abort(transaction: string): void;
  /** Queues `DISCONNECT`; with a `receipt` header, `Kind.DISCONNECTED` answers it. */
  disconnect(headers?: Headers): void;
  /** Queues a heart-beat. */
  beat(): void;
  /** Whether the server has been silent for too long. */
  isSilent(): boolean;
  /** The agreed intervals in milliseconds; 0: none. */
  heartBeat(): { outgoing: number; incoming: number };
  /** The negotiated version, undefined before `CONNECTED` and after an end. */
  version(): "1.0" | "1.1" | "1.2" | undefined;
  /** Gives the session's place in the core back. */
  close(): void;
}

/** All whole frames of a text or of bytes. Throws if it is none. */
export declare function readFrames(data: string | ArrayBuffer | ArrayBufferView): Received[];
