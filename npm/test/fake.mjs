// A socket that the test plays the server on.

export class FakeSocket {
  readyState = 0;
  url = "ws://fake/";
  sent = [];
  closes = true;
  send(data) {
    this.sent.push(data);
  }
  /** What was sent, as text. */
  get texts() {
    return this.sent.map((data) => (typeof data === "string" ? data : new TextDecoder().decode(data)));
  }
  close() {
    this.readyState = 2;
    if (this.closes) {
      this.end(1000);
    }
  }
  end(code = 1006) {
    this.readyState = 3;
    this.onclose?.({ type: "close", code, reason: "", wasClean: code === 1000 });
  }
  open() {
    this.readyState = 1;
    this.onopen({});
  }
  get(data) {
    this.onmessage({ data });
  }
}

/** What has been promised is done. */
export const settle = () => new Promise((resolve) => setImmediate(resolve));
