import { readFrames, textOf } from "../core/session.js";

const LF = "\n";
const NULL = "\0";

/** A STOMP frame: `command`, `headers` and `body`, and `binaryBody` for a body that is no text. */
export class Frame {
  constructor(command, headers = {}, body = "") {
    this.command = command;
    this.headers = headers;
    this.body = body;
  }

  /** A frame of the core's; its text is decoded when it is first read. */
  static received(command, headers, bytes) {
    const frame = new Frame(command, headers);
    frame.binaryBody = bytes;
    Object.defineProperty(frame, "body", {
      get() {
        const value = textOf(bytes);
        Object.defineProperty(frame, "body", {
          value,
          writable: true,
          enumerable: true,
          configurable: true,
        });
        return value;
      },
      enumerable: true,
      configurable: true,
    });
    return frame;
  }

  toString() {
    const lines = [this.command];
    const headers = this.headers ?? {};
    const skip = headers["content-length"] === false;
    for (const name of Object.keys(headers)) {
      if (name !== "content-length") {
        lines.push(`${name}:${headers[name]}`);
      }
    }
    if (this.body && !skip) {
      lines.push(`content-length:${Frame.sizeOfUTF8(this.body)}`);
    }
    lines.push(LF + this.body);
    return lines.join(LF);
  }

  /** The number of bytes that a text is in UTF-8. */
  static sizeOfUTF8(text) {
    return text ? new TextEncoder().encode(text).length : 0;
  }

  /** The text of a frame, with its NUL. */
  static marshall(command, headers, body) {
    return new Frame(command, headers, body).toString() + NULL;
  }

  /** The frames of a text: an array, which is also its own `frames`, beside `partial`. */
  static unmarshall(data) {
    const frames = readFrames(data).map(({ command, headers, bytes }) =>
      Frame.received(command, headers, bytes),
    );
    const text = typeof data === "string" ? data : textOf(data);
    frames.frames = frames;
    frames.partial = text.slice(text.lastIndexOf(NULL) + 1).replace(/^[\r\n]+/, "");
    return frames;
  }
}
