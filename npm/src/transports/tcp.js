// A TCP or TLS connection with the face of a WebSocket.

const CONNECTING = 0;
const OPEN = 1;
const CLOSING = 2;
const CLOSED = 3;

/** How long `close` waits for the peer to close too, in ms. */
const CLOSE_LIMIT = 2000;

export class TcpSocket {
  /** `socket`: of `node:net` or `node:tls`, opening; `opening`: its event when it is open. */
  constructor(socket, url, opening = "connect") {
    this.url = url;
    this.readyState = CONNECTING;
    this.binaryType = "arraybuffer";
    this.protocol = "";
    this.onopen = this.onmessage = this.onerror = this.onclose = null;
    this.socket = socket;
    socket.setNoDelay(true);
    socket.on(opening, () => {
      this.readyState = OPEN;
      this.onopen?.({ type: "open" });
    });
    socket.on("data", (data) => this.onmessage?.({ type: "message", data }));
    socket.on("error", (error) => {
      this.error = error;
      this.onerror?.({ type: "error", error });
    });
    socket.on("close", () => {
      this.readyState = CLOSED;
      const reason = this.error?.message ?? "";
      this.onclose?.({ type: "close", code: 1006, reason, wasClean: !this.error });
    });
  }

  get bufferedAmount() {
    return this.socket.writableLength;
  }

  send(data) {
    // As a WebSocket: what is sent while closing is dropped.
    if (this.readyState === OPEN) {
      this.socket.write(data);
    }
  }

  close() {
    if (this.readyState === CONNECTING) {
      // It never opens.
      this.terminate();
    } else if (this.readyState === OPEN) {
      this.readyState = CLOSING;
      this.socket.end();
      // A peer that is gone would keep the half-open connection for minutes.
      const limit = setTimeout(() => this.socket.destroy(), CLOSE_LIMIT);
      this.socket.once("close", () => clearTimeout(limit));
    }
  }

  /** Closes it without a word to the peer. */
  terminate() {
    this.readyState = CLOSING;
    this.socket.destroy();
  }
}
