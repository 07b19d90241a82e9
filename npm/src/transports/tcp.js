// A TCP connection with the face of a WebSocket.

const CONNECTING = 0;
const OPEN = 1;
const CLOSING = 2;
const CLOSED = 3;

/** How long `close` waits for the peer to close too, in ms. */
const CLOSE_LIMIT = 2000;

export class TcpSocket {
  constructor(net, host, port) {
    this.url = `tcp:// ${host}:${port}`; // with the blank, as programs have seen it before
    this.readyState = CONNECTING;
    this.binaryType = "arraybuffer";
    this.protocol = "";
    this.onopen = this.onmessage = this.onerror = this.onclose = null;
    this.socket = net.connect(port, host);
    this.socket.setNoDelay(true);
    this.socket.on("connect", () => {
      this.readyState = OPEN;
      this.onopen?.({ type: "open" });
    });
    this.socket.on("data", (data) => this.onmessage?.({ type: "message", data }));
    this.socket.on("error", (error) => {
      this.error = error;
      this.onerror?.({ type: "error", error });
    });
    this.socket.on("close", () => {
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
      this.readyState = CLOSING;
      this.socket.destroy();
    } else if (this.readyState === OPEN) {
      this.readyState = CLOSING;
      this.socket.end();
      // A peer that is gone would keep the half-open connection for minutes.
      const limit = setTimeout(() => this.socket.destroy(), CLOSE_LIMIT);
      this.socket.once("close", () => clearTimeout(limit));
    }
  }
}
