// The calls of stomp.js as @stomp/stompjs has them.

import { connectArguments } from "../classic/arguments.js";
import { call } from "../report.js";
import { Client, openUrl } from "./client.js";
import { FrameImpl } from "./frame.js";
import { Versions } from "./types.js";

export class CompatClient extends Client {
  constructor(webSocketFactory) {
    super();
    this.reconnectDelay = 0;
    this.webSocketFactory = webSocketFactory;
    /** Without effect; see `splitLargeFrames`. */
    this.maxWebSocketFrameSize = 16 * 1024;
    this.debug = (...message) => console.log(...message);
    const client = this;
    this._heartbeat = {
      get outgoing() {
        return client.heartbeatOutgoing;
      },
      set outgoing(value) {
        client.heartbeatOutgoing = value;
      },
      get incoming() {
        return client.heartbeatIncoming;
      },
      set incoming(value) {
        client.heartbeatIncoming = value;
      },
    };
  }

  /**
   * `(headers, onConnect[, onError[, onClose]])` or
   * `(login, passcode, onConnect[, onError[, onClose[, host]]])`.
   */
  connect(...args) {
    this._connectBy(...this._parseConnect(...args));
  }

  /** Disconnects, then calls back, once: with the receipt, or without if none came. */
  disconnect(callback, headers = {}) {
    if (callback) {
      let isCalled = false;
      const once = (...args) => {
        if (!isCalled) {
          isCalled = true;
          call(this, callback, ...args);
        }
      };
      this.onDisconnect = once;
      this.disconnectHeaders = headers;
      this.deactivate().then(() => once());
    } else {
      this.disconnectHeaders = headers;
      this.deactivate();
    }
  }

  /** Sends a message. A `content-length` of false leaves that header out. */
  send(destination, headers, body = "") {
    const { "content-length": length, ...others } = headers ?? {};
    const skipContentLengthHeader = length === false;
    const bytes = body instanceof ArrayBuffer ? new Uint8Array(body) : body;
    this.publish({
      destination,
      headers: skipContentLengthHeader ? others : headers,
      [bytes instanceof Uint8Array ? "binaryBody" : "body"]: bytes,
      skipContentLengthHeader,
    });
  }

  set reconnect_delay(value) {
    this.reconnectDelay = value;
  }

  get ws() {
    return this.webSocket;
  }

  get version() {
    return this.connectedVersion;
  }

  get onreceive() {
    return this.onUnhandledMessage;
  }

  set onreceive(value) {
    this.onUnhandledMessage = value;
  }

  get onreceipt() {
    return this.onUnhandledReceipt;
  }

  set onreceipt(value) {
    this.onUnhandledReceipt = value;
  }

  get heartbeat() {
    return this._heartbeat;
  }

  set heartbeat({ incoming = 0, outgoing = 0 }) {
    this.heartbeatIncoming = incoming;
    this.heartbeatOutgoing = outgoing;
  }

  // What follows is not for programs.

  _connectBy(headers, onConnect, onError, onClose) {
    this.connectHeaders = headers || this.connectHeaders;
    this.onConnect = onConnect || this.onConnect;
    this.onStompError = onError || this.onStompError;
    this.onWebSocketClose = onClose || this.onWebSocketClose;
    this._onLoss = onClose ? undefined : onError;
    this.activate();
  }

  _parseConnect(...args) {
    if (args.length < 2) {
      throw new Error("Connect requires at least 2 arguments");
    }
    return connectArguments(args);
  }

  _closed(event) {
    const { active, webSocket } = this;
    super._closed(event);
    active && this._lost(`Whoops! Lost connection to ${webSocket.url}`);
  }

  /** A program with one callback for all errors hears of this one too. */
  _lost(message) {
    call(this, this._onLoss, new FrameImpl({ command: "ERROR", headers: { message } }));
  }
}

/** The Stomp object as @stomp/stompjs has it. */
export const Stomp = {
  WebSocketClass: null,

  /** A client that makes a WebSocket for each attempt. */
  client(url, protocols) {
    return new CompatClient(() =>
      openUrl(
        url,
        protocols ?? Versions.default.protocolVersions(),
        Stomp.WebSocketClass || undefined,
      ),
    );
  },

  /** A client on what a function gives, for each attempt anew; or on a socket, for one. */
  over(ws) {
    if (typeof ws !== "function") {
      console.warn("Stomp.over did not receive a factory, auto reconnect will not work.");
    }
    return new CompatClient(typeof ws === "function" ? ws : () => ws);
  },
};
