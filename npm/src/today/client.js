// The client of @stomp/stompjs: the same options, callbacks and debug lines, on a connection.

import { Connection, ignore as noOp, later, only } from "../connection.js";
import { Kind } from "../core/session.js";
import { call, report } from "../report.js";
import { transports } from "../transports/open.js";
import { every, everyInterval, hasWorker } from "../ticker.js";
import { FrameImpl } from "./frame.js";
import {
  ActivationState,
  ReconnectionTimeMode,
  StompSocketState,
  TickerStrategy,
  Versions,
} from "./types.js";

const { ACTIVE, DEACTIVATING, INACTIVE } = ActivationState;

/** Opens a URL by the WebSocket of the host; in Node without one, or by TCP, by what we have there. */
export const openUrl = (url, protocols, Class = globalThis.WebSocket) =>
  Class && !/^(stomp|tcp)/.test(url)
    ? new Class(url, protocols)
    : transports.open(new URL(url), { protocols });

export class Client {
  constructor(conf = {}) {
    this.brokerURL = this.webSocketFactory = undefined;
    this.stompVersions = Versions.default;
    this.connectionTimeout = 0;
    this.reconnectDelay = 5000;
    this.maxReconnectDelay = 15 * 60 * 1000;
    this.reconnectTimeMode = ReconnectionTimeMode.LINEAR;
    this.heartbeatIncoming = this.heartbeatOutgoing = 10000;
    this.heartbeatToleranceMultiplier = 2;
    this.heartbeatStrategy = TickerStrategy.Worker;
    this.splitLargeFrames = false;
    this.maxWebSocketChunkSize = 8 * 1024;
    this.forceBinaryWSFrames = this.appendMissingNULLonIncoming = false;
    this.connectHeaders = {};
    this.disconnectHeaders = {};
    this.logRawCommunication = this.discardWebsocketOnCommFailure = false;
    this.debug = this.beforeConnect = this.onConnect = this.onDisconnect = noOp;
    this.onUnhandledMessage = this.onUnhandledReceipt = this.onUnhandledFrame = noOp;
    this.onHeartbeatReceived = this.onHeartbeatLost = this.onStompError = noOp;
    this.onWebSocketClose = this.onWebSocketError = this.onChangeState = noOp;
    this.state = this._intended = INACTIVE;
    this._timers = {};
    this._waiting = [];
    this._subscriptions = {};
    this._connection = undefined;
    this._nextDelay = this._counter = 0;
    this.configure(conf);
  }

  /** Sets options. */
  configure(conf) {
    const unknown = Object.keys(conf).filter((name) => !(name in this));
    Object.assign(this, conf);
    unknown.forEach((name) => this._say(() => `Warning: there is no option ${name}`));
    const { maxReconnectDelay: most, reconnectDelay: delay } = this;
    if (most > 0 && most < delay) {
      this._say(
        () =>
          `Warning: maxReconnectDelay (${most}ms) is less than reconnectDelay (${delay}ms). Using reconnectDelay as the maxReconnectDelay delay.`,
      );
      this.maxReconnectDelay = delay;
    }
  }

  get webSocket() {
    return this._connection?.socket;
  }

  get connected() {
    return !!this.connectedVersion;
  }

  get connectedVersion() {
    return this._connection?.session?.version();
  }

  get active() {
    return this.state === ACTIVE;
  }

  /** Connects, and connects again whenever the connection is lost, until `deactivate`. */
  activate() {
    this._intended = ACTIVE;
    if (this.state === DEACTIVATING) {
      this._say(() => "Deactivation in progress, will activate once deactivation completes");
    } else if (this.active) {
      this._say(() => "Already ACTIVE, ignoring request to activate");
    } else {
      this._start();
    }
  }

  /**
   * Disconnects; resolves when the socket has closed, or has been discarded because it would not.
   * With `force` it is discarded at once.
   */
  async deactivate({ force } = {}) {
    this._intended = INACTIVE;
    if (this.state === INACTIVE) {
      this._say(() => "Already INACTIVE, nothing more to do");
      return;
    }
    const wasActive = this.active;
    this._change(DEACTIVATING);
    this._nextDelay = 0;
    clearTimeout(this._timers.reconnect);
    const connection = this._connection;
    if (!connection || connection.socket.readyState === StompSocketState.CLOSED) {
      this._change(INACTIVE);
      return;
    }
    const closed = new Promise((resolve) => this._waiting.push(resolve));
    if (force) {
      connection.discard();
    } else if (wasActive) {
      this._leave();
    }
    return closed;
  }

  /** Drops the connection, as if it were lost. */
  forceDisconnect() {
    if (this._connection?.socket.readyState <= StompSocketState.OPEN) {
      this._drop();
    }
  }

  publish({ destination, headers, body, binaryBody, skipContentLengthHeader = false }) {
    if (typeof body === "object" && body) {
      throw new TypeError("publish: the body is an object; give text, or bytes as binaryBody");
    }
    const { destination: own = destination, "content-length": length, ...others } = headers ?? {};
    const all = skipContentLengthHeader || length == null ? others : { ...others, "content-length": length };
    this._request("send", String(own), all, binaryBody ?? `${body ?? ""}`, !!binaryBody || !skipContentLengthHeader);
  }

  /**
   * Calls `callback` with the receipt, once; or `onLost`, if the connection ends before it came.
   */
  watchForReceipt(receiptId, callback, onLost) {
    this._require();
    this._receipts.set(String(receiptId), [callback, onLost]);
  }

  /** Subscribes: `{id, unsubscribe()}`. */
  subscribe(destination, callback, headers) {
    const { id: given, ack = "auto", destination: _, ...others } = headers ?? {};
    this._require();
    const id = String(given || `sub-${this._counter++}`);
    const subscriptions = this._subscriptions;
    const before = subscriptions[id];
    // An answer may come before this returns.
    subscriptions[id] = callback;
    try {
      this._request("subscribe", id, String(destination), String(ack), others);
    } catch (error) {
      before ? (subscriptions[id] = before) : delete subscriptions[id];
      throw error;
    }
    return { id, unsubscribe: (headers) => this.unsubscribe(id, headers) };
  }

  unsubscribe(id, headers) {
    this._request("unsubscribe", String(id), headers);
    delete this._subscriptions[id];
  }

  /** Begins a transaction: `{id, commit(), abort()}`. */
  begin(transactionId) {
    this._require();
    const id = String(transactionId || `tx-${this._counter++}`);
    this._request("begin", id);
    return { id, commit: () => this.commit(id), abort: () => this.abort(id) };
  }

  commit(transactionId) {
    this._request("commit", transactionId);
  }

  abort(transactionId) {
    this._request("abort", transactionId);
  }

  /** Acknowledges a message by its `message-id` (1.2: its `ack` header) and subscription. */
  ack(messageId, subscription, headers) {
    this._acknowledge(true, messageId, subscription, headers);
  }

  /** Refuses a message. */
  nack(messageId, subscription, headers) {
    this._acknowledge(false, messageId, subscription, headers);
  }

  // What follows is not for programs.

  _acknowledge(consumed, messageId, subscription, headers) {
    const { id: _, "message-id": __, subscription: ___, ...others } = headers ?? {};
    this._request("acknowledge", consumed, { ack: messageId, messageId, subscription }, others);
  }

  _require() {
    if (!this.connected) {
      throw new TypeError("There is no underlying STOMP connection");
    }
  }

  _request(...args) {
    this._require();
    this._connection.request(...args);
  }

  /** A debug line, made only if somebody listens. */
  _say(make) {
    const { debug } = this;
    if (debug !== noOp && typeof debug === "function") {
      call(this, debug, make());
    }
  }

  _change(state) {
    this.state = state;
    call(this, this.onChangeState, state);
  }

  _start() {
    this._change(ACTIVE);
    this._nextDelay = this.reconnectDelay;
    this._connect();
  }

  async _connect() {
    try {
      if (!this._isAtOnce || this.beforeConnect !== noOp) {
        await this.beforeConnect(this);
      }
      if (this._connection) {
        this._say(() => "There is already a stompHandler, skipping the call to connect");
      } else if (!this.active) {
        this._say(() => "Client has been marked inactive, will not attempt to connect");
      } else {
        this._open();
      }
    } catch (error) {
      const again = this.active && this._nextDelay > 0;
      this.active && !again && this._change(INACTIVE);
      this._failed(error);
      // Not if who heard of it has been at it already.
      again && this.active && !this._connection && this._reconnect();
    }
  }

  /** A token that could not be fetched, or no URL: told as a failure to connect. */
  _failed(error) {
    const { message } = error ?? {};
    this._say(() => `Can't connect: ${message ?? error}`);
    if (this.onWebSocketError === noOp) {
      report(error);
    } else {
      call(this, this.onWebSocketError, { type: "error", error, message });
    }
  }

  _open() {
    const { connectionTimeout: limit } = this;
    this._say(() => "Opening Web Socket...");
    const socket = this._createWebSocket();
    this._counter = 0;
    // Without the names of Object's.
    this._subscriptions = Object.create(null);
    this._receipts = new Map();
    this._connection = new Connection(socket, () => this._options(), this._callbacks());
    if (limit > 0) {
      clearTimeout(this._timers.watcher);
      this._timers.watcher = later(limit, () => {
        if (!this.connected) {
          this._say(() => `Connection not established in ${limit}ms, closing socket`);
          this.forceDisconnect();
        }
      });
    }
  }

  _createWebSocket() {
    const { webSocketFactory, brokerURL } = this;
    if (!webSocketFactory && !brokerURL) {
      throw new Error("Either brokerURL or webSocketFactory must be provided");
    }
    return webSocketFactory
      ? this.webSocketFactory()
      : openUrl(brokerURL, this.stompVersions.protocolVersions());
  }

  /** The connection's options, as they are now. */
  _options() {
    return {
      split: this._pieceSize(),
      whole: true,
      binary: this.forceBinaryWSFrames,
      raw: this.logRawCommunication,
      addNull: this.appendMissingNULLonIncoming,
      linger: !this.discardWebsocketOnCommFailure,
    };
  }

  /** The session's options. */
  _session() {
    const { "accept-version": _, "heart-beat": __, ...headers } = this.connectHeaders;
    return {
      versions: this.stompVersions.supportedVersions(),
      outgoing: this.heartbeatOutgoing,
      incoming: this.heartbeatIncoming,
      tolerance: Math.round(100 * this.heartbeatToleranceMultiplier),
      headers,
    };
  }

  /** The most characters in a piece of a frame, if frames are split. */
  _pieceSize() {
    return this.splitLargeFrames && !this.forceBinaryWSFrames && this.maxWebSocketChunkSize;
  }

  /** What heart-beats tick by. */
  _every(interval, callback) {
    return (this._isPlain() ? everyInterval : every)(interval, callback);
  }

  _isPlain() {
    return this.heartbeatStrategy === TickerStrategy.Interval;
  }

  /** What callbacks get of an event. */
  _frameOf(event) {
    return new FrameImpl(event, event);
  }

  _callbacks() {
    const tell = (name) => (event) => call(this, this[name], event);
    return {
      session: () => this._session(),
      every: (interval, callback, isOutgoing) => {
        const tellsOf = (what) => isOutgoing && this._say(() => what);
        const kind = this._isPlain() || !hasWorker() ? "Interval" : "Worker";
        tellsOf(`Using run${kind} for outgoing pings`);
        const end = this._every(interval, callback);
        return () => {
          end();
          tellsOf(`Outgoing ping dispose${kind}`);
        };
      },
      debug: (make) => this._say(make),
      opened: () => this._say(() => "Web Socket Opened..."),
      data: () => this._say(() => "Received data"),
      beat: tell("onHeartbeatReceived"),
      frame: (event) => this._frame(event),
      silent: () => {
        call(this, this.onHeartbeatLost);
        this._sayDrop();
      },
      piece: (sent, remaining) => this._say(() => `chunk sent = ${sent}, remaining = ${remaining}`),
      error: tell("onWebSocketError"),
      closed: (event) => this._closed(event),
    };
  }

  _frame(event) {
    const { kind, headers } = event;
    const frame = this._frameOf(event);
    switch (kind) {
      case Kind.CONNECTED:
        clearTimeout(this._timers.watcher);
        this._nextDelay = this.reconnectDelay;
        if (this.active) {
          call(this, this.onConnect, frame);
        } else {
          this._say(() => "STOMP got connected while deactivate was issued, will disconnect now");
          this._leave();
        }
        break;
      case Kind.MESSAGE:
      case Kind.UNKNOWN_MESSAGE:
        this._message(frame);
        break;
      case Kind.RECEIPT: {
        const id = headers["receipt-id"];
        const [callback = this.onUnhandledReceipt] = this._receipts.get(id) ?? [];
        this._receipts.delete(id);
        call(this, callback, frame);
        break;
      }
      case Kind.DISCONNECTED:
        call(this, this.onDisconnect, frame);
        break;
      case Kind.ERROR:
      case Kind.FAILURE:
        call(this, this.onStompError, frame);
        break;
      default:
        call(this, this.onUnhandledFrame, frame);
    }
  }

  _message(frame) {
    const { subscription, "message-id": messageId, ack } = frame.headers;
    const subscriptions = this._subscriptions;
    const id = subscription ?? only(subscriptions);
    const isLatest = this.connectedVersion === Versions.V1_2;
    const target = isLatest ? ack : messageId;
    const connection = this._connection;
    const answer = (name) => (headers) => {
      const why =
        target === undefined
          ? `the message has no ${isLatest ? "ack" : "message-id"} header`
          : (connection !== this._connection || !this.connected) && "its connection has ended";
      if (why) {
        this._say(() => `${name.toUpperCase()} not sent: ${why}`);
      } else {
        this[name](target, id, headers);
      }
    };
    frame.ack = answer("ack");
    frame.nack = answer("nack");
    call(this, subscriptions[id] ?? this.onUnhandledMessage, frame);
  }

  /** Takes leave of the server, if it is there. */
  _leave() {
    const { receipt, ...headers } = this.disconnectHeaders;
    try {
      this._connection.disconnect({ ...headers, receipt: receipt || `close-${this._counter++}` });
    } catch (error) {
      this._say(() => `Ignoring error during disconnect ${error}`);
      this._connection.close();
    }
  }

  _drop() {
    this._sayDrop();
    this._connection[this.discardWebsocketOnCommFailure ? "discard" : "close"]();
  }

  _sayDrop() {
    this._say(() =>
      this.discardWebsocketOnCommFailure
        ? "Discarding websocket, the underlying socket may linger for a while"
        : "Issuing close on the websocket",
    );
  }

  _closed(event) {
    const { socket } = this._connection;
    this._say(() => `Connection closed to ${socket.url}`);
    clearTimeout(this._timers.watcher);
    const receipts = this._receipts;
    this._connection = undefined;
    if (this.state === DEACTIVATING) {
      this._change(INACTIVE);
    }
    // Whoever waits may activate again, or deactivate.
    receipts.forEach(([, onLost]) => call(this, onLost));
    call(this, this.onWebSocketClose, event);
    this._waiting.splice(0).forEach((resolve) => resolve());
    if (this.active) {
      // Not if one of them has been at it already.
      this._connection ?? this._reconnect();
    } else if (this._intended === ACTIVE && this.state === INACTIVE) {
      this._start();
    }
  }

  _reconnect() {
    const delay = this._nextDelay;
    if (delay > 0) {
      this._say(() => `STOMP: scheduling reconnection in ${delay}ms`);
      clearTimeout(this._timers.reconnect);
      this._timers.reconnect = setTimeout(() => {
        if (this.reconnectTimeMode === ReconnectionTimeMode.EXPONENTIAL) {
          this._nextDelay = Math.min(2 * delay, this.maxReconnectDelay || Infinity);
        }
        this._connect();
      }, delay);
    }
  }
}
