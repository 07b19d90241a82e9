// A program that uses all that @stomp/stompjs 7.5 exports, and every option. It is compiled against its
// types and against ours.

import {
  ActivationState,
  Client,
  CompatClient,
  FrameImpl,
  Parser,
  ReconnectionTimeMode,
  Stomp,
  StompConfig,
  StompHeaders,
  StompSocketState,
  TickerStrategy,
  Versions,
  type closeEventCallbackType,
  type debugFnType,
  type emptyCallbackType,
  type frameCallbackType,
  type Frame,
  type IFrame,
  type IMessage,
  type IPublishParams,
  type IRawFrameType,
  type IStompSocket,
  type IStompSocketMessageEvent,
  type IStomptHandlerConfig,
  type ITransaction,
  type Message,
  type messageCallbackType,
  type publishParams,
  type RawHeaderType,
  type StompSubscription,
  type wsErrorCallbackType,
} from "@stomp/stompjs";

const debug: debugFnType = (line) => void line.length;
const onFrame: frameCallbackType = (frame: IFrame) => void frame.headers["server"]?.length;
const onNothing: emptyCallbackType = () => {};
const onMessage: messageCallbackType = (message: IMessage) => {
  const text: string = message.body;
  const bytes: Uint8Array = message.binaryBody;
  const isBinary: boolean = message.isBinaryBody;
  void [text, bytes, isBinary, message.command];
  message.ack();
  message.nack({ receipt: "r" });
};
const onClose: closeEventCallbackType<{ code: number }> = (event) => void event.code;
const onError: wsErrorCallbackType = (event) => void event;

const headers: StompHeaders = { login: "a", passcode: "b" };
const config: Required<StompConfig> = {
  brokerURL: "ws://localhost/",
  stompVersions: new Versions([Versions.V1_2, Versions.V1_1, Versions.V1_0]),
  webSocketFactory: () => new WebSocket("ws://localhost/"),
  connectionTimeout: 0,
  reconnectDelay: 5000,
  maxReconnectDelay: 0,
  reconnectTimeMode: ReconnectionTimeMode.EXPONENTIAL,
  heartbeatIncoming: 0,
  heartbeatToleranceMultiplier: 2,
  heartbeatOutgoing: 0,
  heartbeatStrategy: TickerStrategy.Worker,
  splitLargeFrames: true,
  forceBinaryWSFrames: true,
  appendMissingNULLonIncoming: true,
  maxWebSocketChunkSize: 1,
  connectHeaders: headers,
  disconnectHeaders: new StompHeaders(),
  onUnhandledMessage: onMessage,
  onUnhandledReceipt: onFrame,
  onUnhandledFrame: onFrame,
  beforeConnect: async (client: Client) => client.configure({ brokerURL: "ws://other/" }),
  onConnect: onFrame,
  onDisconnect: onFrame,
  onStompError: onFrame,
  onWebSocketClose: onClose,
  onWebSocketError: onError,
  onHeartbeatReceived: onNothing,
  onHeartbeatLost: onNothing,
  logRawCommunication: true,
  debug,
  discardWebsocketOnCommFailure: true,
  onChangeState: (state: ActivationState) => void (state === ActivationState.DEACTIVATING),
};

class Own extends Client {
  constructor(conf?: StompConfig) {
    super(conf);
    this.onConnect = () => {};
  }
}

export async function use(): Promise<void> {
  const client: Client = new Own(config);
  client.activate();
  const params: IPublishParams = { destination: "/a", headers, body: "b", skipContentLengthHeader: true };
  const same: publishParams = { ...params, binaryBody: new Uint8Array(1) };
  client.publish(same);
  client.watchForReceipt("r", onFrame);
  const subscription: StompSubscription = client.subscribe("/a", onMessage, { ack: "client" });
  subscription.unsubscribe({ receipt: subscription.id });
  client.unsubscribe("sub-0", headers);
  const transaction: ITransaction = client.begin("tx");
  transaction.commit();
  client.begin().abort();
  client.commit(transaction.id);
  client.abort("tx");
  client.ack("1", "sub-0", headers);
  client.nack("1", "sub-0");
  const socket: IStompSocket | undefined = client.webSocket;
  if (socket?.readyState === StompSocketState.OPEN) {
    socket.onmessage = (event: IStompSocketMessageEvent) => void event.data;
  }
  const version: string | undefined = client.connectedVersion;
  const all: [boolean, boolean, ActivationState] = [client.connected, client.active, client.state];
  void [version, all, client.stompVersions.supportedVersions(), Versions.default.protocolVersions()];
  client.forceDisconnect();
  await client.deactivate({ force: true });
  await client.deactivate();

  let frame: FrameImpl | undefined;
  const parser = new Parser(
    (raw: IRawFrameType) => {
      const pairs: RawHeaderType[] = raw.headers;
      void pairs;
      frame = FrameImpl.fromRawFrame(raw, true);
    },
    () => {},
  );
  parser.parseChunk(FrameImpl.marshall({ command: "SEND", headers, body: "b", escapeHeaderValues: true }), false);
  const written: string | ArrayBuffer | undefined = frame?.serialize();
  void [written, frame?.toString(), new FrameImpl({ command: "SEND", binaryBody: new Uint8Array(1) })];

  Stomp.WebSocketClass = WebSocket;
  const old: CompatClient = Stomp.client("ws://localhost/", ["v12.stomp"]);
  const over: CompatClient = Stomp.over(() => new WebSocket("ws://localhost/"));
  over.connect("login", "passcode", (frame: Frame) => void frame.body, (frame: IFrame) => void frame.command);
  Stomp.over(new WebSocket("ws://localhost/")).connect({}, () => {});
  old.reconnect_delay = 1;
  old.heartbeat = { incoming: 1, outgoing: old.heartbeat.outgoing };
  old.onreceive = (message: Message) => message.ack();
  old.onreceipt = onFrame;
  old.maxWebSocketFrameSize = 1;
  old.send("/a", { "content-length": false, priority: 9 }, "b");
  void [old.version, old.ws, old.onreceive, old.onreceipt];
  old.disconnect(() => {}, headers);
}

export const handler = (config: IStomptHandlerConfig): number => config.heartbeatGracePeriods;
