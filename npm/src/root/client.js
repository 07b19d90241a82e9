// The client of the root module, for programs on stomp.js and on @stomp/stompjs alike: the calls of
// both, and the habits of the first where they differ.

import { connectArguments } from "../classic/arguments.js";
import { Frame } from "../classic/frame.js";
import { ignore } from "../connection.js";
import { call } from "../report.js";
import { CompatClient } from "../today/compat.js";
import { ActivationState, Versions } from "../today/types.js";

const OPEN = 1;

export class RootClient extends CompatClient {
  /** `open`: makes the socket; it is called at once, and again for a later attempt. */
  constructor(open, Stomp) {
    super(() => this._socket());
    this._Stomp = Stomp;
    this._make = open;
    this._isAtOnce = true;
    this.logRawCommunication = true;
    this.connectCallback = this.errorCallback = undefined;
    const { VERSIONS } = Stomp;
    this.stompVersions = {
      // Programs replace it: it is looked up when they connect.
      supportedVersions: () => VERSIONS.supportedVersions(),
      protocolVersions: () => Versions.default.protocolVersions(),
    };
    this.debug = (message) => {
      if (typeof window !== "undefined") {
        window.console?.log(message);
      }
    };
    this.onUnhandledMessage = (frame) => this._say(() => `Unhandled received MESSAGE: ${frame}`);
    this.onUnhandledFrame = (frame) => this._say(() => `Unhandled frame: ${frame}`);
    this._use(open());
  }

  /** The socket, from the beginning on. */
  get ws() {
    return this._ws;
  }

  /** Not after `disconnect`, though a receipt may still be on its way. */
  get connected() {
    return super.connected && this.active;
  }

  get counter() {
    return this._counter;
  }

  /** Callbacks by the ids of their subscriptions. */
  get subscriptions() {
    return this._subscriptions;
  }

  /** Disconnects; a socket that was never connected on is closed too. */
  async deactivate(options) {
    const isDone = super.deactivate(options);
    if (!this._connection && this._ws.readyState <= OPEN) {
      this._ws.close();
    }
    return isDone;
  }

  // What follows is not for programs.

  _parseConnect(...args) {
    return connectArguments(args);
  }

  _connectBy(headers, onConnect, onError, onClose) {
    // A receipt that is still waited for does not hold the new connection up.
    this.active || this._connection?.close();
    // Programs replace these two later.
    this.connectCallback = onConnect;
    this.errorCallback = onError;
    super._connectBy(
      headers,
      onConnect && ((frame) => call(this, this.connectCallback, frame)),
      onError && ((frame) => call(this, this.errorCallback, frame)),
      onClose,
    );
  }

  _use(ws) {
    this._ws = ws;
    ws.binaryType = "arraybuffer";
    // A socket that fails says so here before it closes; `ws` of Node throws if nobody listens.
    ws.onerror ??= ignore;
  }

  _socket() {
    if (this._ws.readyState > OPEN) {
      const next = this._make();
      if (next === this._ws) {
        throw new Error("the socket is spent: give Stomp.over a function that makes one");
      }
      this._use(next);
    }
    return this._ws;
  }

  _createWebSocket() {
    const socket = super._createWebSocket();
    if (socket !== this._ws) {
      // Of a factory that the program has set: the one from the beginning is not needed.
      this._ws.close();
      this._use(socket);
    }
    return socket;
  }

  _pieceSize() {
    return super._pieceSize() || this.maxWebSocketFrameSize;
  }

  _every(interval, callback) {
    const timer = this._Stomp.setInterval(interval, callback);
    return () => this._Stomp.clearInterval(timer);
  }

  _frameOf(event) {
    return Object.assign(Frame.received(event), { isBinaryBody: true });
  }

  _callbacks() {
    const callbacks = super._callbacks();
    const { onerror: own } = this._ws;
    return {
      ...callbacks,
      error: (event) => {
        // The program's own, from before.
        call(this._ws, own, event);
        callbacks.error(event);
      },
      piece: (sent, remaining) =>
        this.splitLargeFrames
          ? callbacks.piece(sent, remaining)
          : remaining && this._say(() => `remaining = ${remaining}`),
    };
  }

  /** Without a delay the next attempt is the program's. */
  _reconnect() {
    super._reconnect();
    this._nextDelay > 0 || this._change(ActivationState.INACTIVE);
  }

  _failed(error) {
    this._say(() => `Can't connect: ${error?.message ?? error}`);
    // Not at once: a program may connect again when it hears of it. Of a socket that is spent it has.
    this._told === this._ws || queueMicrotask(() => this._lost(`Whoops! Lost connection to ${this._ws.url}`));
  }

  _lost(message) {
    this._told = this._ws;
    this._say(() => message);
    this._onLoss && call(this, this.errorCallback, message);
  }
}
