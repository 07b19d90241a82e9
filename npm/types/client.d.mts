// Everything that @stomp/stompjs 7.5 exports, of the same shapes.

/** Names and values. */
export declare class StompHeaders {
  [key: string]: string;
}

export type debugFnType = (msg: string) => void;
export type messageCallbackType = (message: IMessage) => void;
export type frameCallbackType = ((frame: IFrame) => void) | (() => void);
export type emptyCallbackType = () => void;
export type closeEventCallbackType<T = any> = (evt: T) => void;
export type wsErrorCallbackType<T = any> = (evt: T) => void;

/** A frame that came. */
export interface IFrame {
  command: string;
  headers: StompHeaders;
  /** Whether the frame was made of bytes. */
  isBinaryBody: boolean;
  /** As text; decoded when it is first read, if it came as bytes. */
  readonly body: string;
  /** As bytes; encoded when they are first read, if they came as text. */
  readonly binaryBody: Uint8Array;
}
export type Frame = IFrame;

/** A message. */
export interface IMessage extends IFrame {
  /** Acknowledges it; without an `ack` (1.2) or `message-id` header only a debug line is written. */
  ack: (headers?: StompHeaders) => void;
  /** Refuses it. */
  nack: (headers?: StompHeaders) => void;
}
export type Message = IMessage;

export interface ITransaction {
  id: string;
  commit: () => void;
  abort: () => void;
}

export interface StompSubscription {
  id: string;
  unsubscribe: (headers?: StompHeaders) => void;
}

export interface IPublishParams {
  destination: string;
  headers?: StompHeaders;
  body?: string;
  binaryBody?: Uint8Array;
  /** Leaves `content-length` out, for brokers that take such a message for bytes. */
  skipContentLengthHeader?: boolean;
}
export type publishParams = IPublishParams;

export type RawHeaderType = [string, string];

/** A frame of `Parser`'s: all lines of its head, with escapes as they were written. */
export interface IRawFrameType {
  command: string | undefined;
  headers: RawHeaderType[];
  binaryBody: Uint8Array | undefined;
}

export interface IStompSocketMessageEvent {
  data?: string | ArrayBuffer;
}

/** Anything with the face of a WebSocket. */
export interface IStompSocket {
  url: string;
  onclose: ((ev?: any) => any) | undefined | null;
  onerror: ((ev: any) => any) | undefined | null;
  onmessage: ((ev: any) => any) | undefined | null;
  onopen: ((ev?: any) => any) | undefined | null;
  terminate?: (() => any) | undefined | null;
  binaryType?: string;
  readonly readyState: number;
  close(): void;
  send(data: string | ArrayBufferLike | Blob | ArrayBufferView): void;
}

export declare enum StompSocketState {
  CONNECTING = 0,
  OPEN = 1,
  CLOSING = 2,
  CLOSED = 3,
}

export declare enum ActivationState {
  ACTIVE = 0,
  DEACTIVATING = 1,
  INACTIVE = 2,
}

export declare enum ReconnectionTimeMode {
  LINEAR = 0,
  EXPONENTIAL = 1,
}

export declare enum TickerStrategy {
  Interval = "interval",
  Worker = "worker",
}

export interface IStomptHandlerConfig {
  debug: debugFnType;
  stompVersions: Versions;
  connectHeaders: StompHeaders;
  disconnectHeaders: StompHeaders;
  heartbeatIncoming: number;
  heartbeatGracePeriods: number;
  heartbeatOutgoing: number;
  heartbeatStrategy: TickerStrategy;
  splitLargeFrames: boolean;
  maxWebSocketChunkSize: number;
  forceBinaryWSFrames: boolean;
  logRawCommunication: boolean;
  appendMissingNULLonIncoming: boolean;
  discardWebsocketOnCommFailure: boolean;
  onConnect: frameCallbackType;
  onDisconnect: frameCallbackType;
  onStompError: frameCallbackType;
  onWebSocketClose: closeEventCallbackType;
  onWebSocketError: wsErrorCallbackType;
  onUnhandledMessage: messageCallbackType;
  onUnhandledReceipt: frameCallbackType;
  onUnhandledFrame: frameCallbackType;
  onHeartbeatReceived: emptyCallbackType;
  onHeartbeatLost: emptyCallbackType;
}

/** Versions of STOMP, the best one first. */
export declare class Versions {
  versions: string[];
  static V1_0: string;
  static V1_1: string;
  static V1_2: string;
  static default: Versions;
  constructor(versions: string[]);
  /** As `accept-version` has them. */
  supportedVersions(): string;
  /** As a WebSocket offers them. */
  protocolVersions(): string[];
}

/** What `new Client` and `configure` take. Times are in milliseconds. */
export declare class StompConfig {
  brokerURL?: string;
  /** All three, 1.2 first. */
  stompVersions?: Versions;
  /** Makes the socket of each attempt; goes before `brokerURL`. */
  webSocketFactory?: () => any;
  /** How long the way to CONNECTED may take, from the socket on; 0, the default: for ever. */
  connectionTimeout?: number;
  /** Between attempts: 5000; 0: there is but one. */
  reconnectDelay?: number;
  /** The most that the delay grows to: 900000; 0: no limit. */
  maxReconnectDelay?: number;
  /** Whether the delay doubles: no. */
  reconnectTimeMode?: ReconnectionTimeMode;
  /** 10000; 0: none are asked for. */
  heartbeatIncoming?: number;
  /** How many intervals the server may be silent: 2. */
  heartbeatToleranceMultiplier?: number;
  /** 10000; 0: none are sent. */
  heartbeatOutgoing?: number;
  /** By a worker, unlike @stomp/stompjs: heart-beats go on in hidden pages, in both directions. */
  heartbeatStrategy?: TickerStrategy;
  /** Whether text is sent in pieces, which are cut between characters only: no. */
  splitLargeFrames?: boolean;
  /** Whether all is sent as bytes: no. */
  forceBinaryWSFrames?: boolean;
  /** For React Native, which chops the NUL off: no. */
  appendMissingNULLonIncoming?: boolean;
  /** In characters: 8192. */
  maxWebSocketChunkSize?: number;
  connectHeaders?: StompHeaders;
  disconnectHeaders?: StompHeaders;
  /** Of no subscription. */
  onUnhandledMessage?: messageCallbackType;
  /** That nobody watches for. */
  onUnhandledReceipt?: frameCallbackType;
  /** Of a command that STOMP does not have. */
  onUnhandledFrame?: frameCallbackType;
  /** Before each attempt, which waits for it; what it throws is told to `onWebSocketError`. */
  beforeConnect?: (client: Client) => void | Promise<void>;
  onConnect?: frameCallbackType;
  onDisconnect?: frameCallbackType;
  /** ERROR; and an ERROR of our own if the server breaks the protocol. */
  onStompError?: frameCallbackType;
  onWebSocketClose?: closeEventCallbackType;
  onWebSocketError?: wsErrorCallbackType;
  onHeartbeatReceived?: emptyCallbackType;
  onHeartbeatLost?: emptyCallbackType;
  /** Whether debug lines have whole frames: no. */
  logRawCommunication?: boolean;
  /** Called with lines of what goes on; passcodes are not in them. */
  debug?: debugFnType;
  /** Whether a socket whose server is silent is left to its fate at once: no, it is closed. */
  discardWebsocketOnCommFailure?: boolean;
  onChangeState?: (state: ActivationState) => void;
}

/** A client that connects again whenever its connection is lost. */
export declare class Client {
  brokerURL: string | undefined;
  stompVersions: Versions;
  webSocketFactory: (() => IStompSocket) | undefined;
  connectionTimeout: number;
  reconnectDelay: number;
  maxReconnectDelay: number;
  reconnectTimeMode: ReconnectionTimeMode;
  heartbeatIncoming: number;
  heartbeatToleranceMultiplier: number;
  heartbeatOutgoing: number;
  heartbeatStrategy: TickerStrategy;
  splitLargeFrames: boolean;
  maxWebSocketChunkSize: number;
  forceBinaryWSFrames: boolean;
  appendMissingNULLonIncoming: boolean;
  connectHeaders: StompHeaders;
  disconnectHeaders: StompHeaders;
  onUnhandledMessage: messageCallbackType;
  onUnhandledReceipt: frameCallbackType;
  onUnhandledFrame: frameCallbackType;
  onHeartbeatReceived: emptyCallbackType;
  onHeartbeatLost: emptyCallbackType;
  beforeConnect: (client: Client) => void | Promise<void>;
  onConnect: frameCallbackType;
  onDisconnect: frameCallbackType;
  onStompError: frameCallbackType;
  onWebSocketClose: closeEventCallbackType;
  onWebSocketError: wsErrorCallbackType;
  logRawCommunication: boolean;
  debug: debugFnType;
  discardWebsocketOnCommFailure: boolean;
  onChangeState: (state: ActivationState) => void;
  state: ActivationState;
  get webSocket(): IStompSocket | undefined;
  get connected(): boolean;
  get connectedVersion(): string | undefined;
  get active(): boolean;
  constructor(conf?: StompConfig);
  /** Sets options; of those that there are not a debug line tells. */
  configure(conf: StompConfig): void;
  activate(): void;
  /**
   * Resolves when the socket has closed, or has been discarded because it would not within four
   * seconds.
   */
  deactivate(options?: { force?: boolean }): Promise<void>;
  /** Drops the connection, as if it were lost. */
  forceDisconnect(): void;
  /** Throws a TypeError without a connection, as all that follow; and an Error for what can't be sent. */
  publish(params: IPublishParams): void;
  /** Calls back once; or `onLost`, if the connection ends before. */
  watchForReceipt(receiptId: string, callback: frameCallbackType, onLost?: () => void): void;
  subscribe(
    destination: string,
    callback: messageCallbackType,
    headers?: StompHeaders,
  ): StompSubscription;
  unsubscribe(id: string, headers?: StompHeaders): void;
  begin(transactionId?: string): ITransaction;
  commit(transactionId: string): void;
  abort(transactionId: string): void;
  /** `messageId`: of the `message-id` header, or in 1.2 of `ack`. */
  ack(messageId: string, subscriptionId: string, headers?: StompHeaders): void;
  nack(messageId: string, subscriptionId: string, headers?: StompHeaders): void;
}

export interface FrameParams {
  command: string;
  headers?: StompHeaders | undefined;
  body?: string | undefined;
  binaryBody?: Uint8Array | undefined;
  escapeHeaderValues?: boolean | undefined;
  skipContentLengthHeader?: boolean | undefined;
}

export declare class FrameImpl implements IFrame {
  command: string;
  headers: StompHeaders;
  isBinaryBody: boolean;
  get body(): string;
  get binaryBody(): Uint8Array;
  constructor(params: FrameParams);
  static fromRawFrame(rawFrame: IRawFrameType, escapeHeaderValues: boolean): FrameImpl;
  /** The command and headers. */
  toString(): string;
  /** Text, or bytes if the body is. */
  serialize(): string | ArrayBuffer;
  static marshall(params: FrameParams): string | ArrayBuffer;
}

/** Reads frames. */
export declare class Parser {
  onFrame: (rawFrame: IRawFrameType) => void;
  onIncomingPing: () => void;
  constructor(onFrame: (rawFrame: IRawFrameType) => void, onIncomingPing: () => void);
  /** Throws an Error for what is no frame. */
  parseChunk(segment: string | ArrayBuffer, appendMissingNULLonIncoming?: boolean): void;
}

/** The calls of stomp.js on a `Client`. */
export declare class CompatClient extends Client {
  /** Without effect. */
  maxWebSocketFrameSize: number;
  constructor(webSocketFactory: () => any);
  connect(...args: any[]): void;
  /** Calls back once, also if there is no receipt. */
  disconnect(disconnectCallback?: any, headers?: StompHeaders): void;
  send(destination: string, headers?: { [key: string]: any }, body?: string): void;
  set reconnect_delay(value: number);
  get ws(): any;
  get version(): string | undefined;
  get onreceive(): messageCallbackType;
  set onreceive(value: messageCallbackType);
  get onreceipt(): frameCallbackType;
  set onreceipt(value: frameCallbackType);
  get heartbeat(): { incoming: number; outgoing: number };
  set heartbeat(value: { incoming: number; outgoing: number });
}

/** Makes clients of the old calls. */
export declare class Stomp {
  static WebSocketClass: any;
  static client(url: string, protocols?: string[]): CompatClient;
  static over(ws: any): CompatClient;
}
