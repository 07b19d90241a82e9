import { readFrames } from "../core/reader.js";
import { textOf, utf8Length } from "../core/utf8.js";

const LF = "\n";
const NULL = "\0";

/** A STOMP frame: `command`, `headers` and `body`, and `binaryBody` for a body that is no text. */
export class Frame {
  constructor(command, headers = {}, body = "") {
    this.command = command;
    this.headers = headers;
    this.body = body;
  }

  /** A frame of the core's; what is not the form in which its body came is made when it is read. */
  static received(event) {
    const frame = new Frame(event.command, event.headers, event.text);
    for (const name of event.text === undefined ? ["body", "binaryBody"] : ["binaryBody"]) {
      lazily(frame, name, event);
    }
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
    return utf8Length(`${text || ""}`);
  }

  /** The text of a frame, with its NUL. */
  static marshall(command, headers, body) {
    return new Frame(command, headers, body).toString() + NULL;
  }

  /** The frames of a text: an array, which is also its own `frames`, beside `partial`. */
  static unmarshall(data) {
    const frames = readFrames(data).map(Frame.received);
    const text = typeof data === "string" ? data : textOf(data);
    frames.frames = frames;
    frames.partial = text.slice(text.lastIndexOf(NULL) + 1).replace(/^[\r\n]+/, "");
    return frames;
  }
}

/** A property of a frame that is another's until it is written. */
function lazily(frame, name, source) {
  Object.defineProperty(frame, name, {
    get: () => source[name],
    set(value) {
      Object.defineProperty(frame, name, {
        value,
        writable: true,
        enumerable: true,
        configurable: true,
      });
    },
    enumerable: true,
    configurable: true,
  });
}
