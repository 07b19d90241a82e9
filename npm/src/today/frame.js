import { bytesOf, concat, textOf, utf8Length } from "../core/utf8.js";

const ESCAPES = { "\\": "\\\\", "\r": "\\r", "\n": "\\n", ":": "\\c" };
const UNESCAPES = { "\\\\": "\\", "\\r": "\r", "\\n": "\n", "\\c": ":" };

/** CONNECT and CONNECTED are never escaped. */
const isEscaped = (escape, command) => escape && !/^CONNECT(ED)?$/.test(command);

export class FrameImpl {
  /** `content`: of a frame that came, with its `body` and `binaryBody`. */
  constructor(
    { command, headers, body, binaryBody, escapeHeaderValues = false, skipContentLengthHeader = false },
    content,
  ) {
    this.command = command;
    this.headers = { ...headers };
    this.isBinaryBody = !!(binaryBody || content);
    this.escapeHeaderValues = escapeHeaderValues;
    this.skipContentLengthHeader = skipContentLengthHeader;
    // Made when it is read, out of what there is.
    Object.defineProperty(this, "content", {
      value: content ?? (binaryBody ? { bytes: binaryBody } : { text: body || "" }),
    });
  }

  get body() {
    const { content } = this;
    return (content.text ??= textOf(content.bytes));
  }

  // Programs put what they read of it in its place.
  set body(value) {
    this.content.text = value;
  }

  get binaryBody() {
    const { content } = this;
    return (content.bytes ??= bytesOf(content.text));
  }

  /** The command and headers, and the empty line. */
  toString() {
    const { command, headers, skipContentLengthHeader: skip } = this;
    const escape = isEscaped(this.escapeHeaderValues, command)
      ? FrameImpl.hdrValueEscape
      : (text) => text;
    let head = `${command}\n`;
    for (const name of Object.keys(headers)) {
      if (name !== "content-length") {
        head += `${escape(name)}:${escape(`${headers[name]}`)}\n`;
      }
    }
    const length = this.isBinaryBody ? this.binaryBody.length : skip ? 0 : utf8Length(this.body);
    if (length || this.isBinaryBody) {
      head += `content-length:${length}\n`;
    }
    return `${head}\n`;
  }

  /** Text, or an ArrayBuffer for a binary body. */
  serialize() {
    if (!this.isBinaryBody) {
      return `${this}${this.body}\0`;
    }
    return concat([`${this}`, this.binaryBody, "\0"]).buffer;
  }

  /** A frame of the parser's. */
  static fromRawFrame({ command, headers: pairs, binaryBody }, escapeHeaderValues) {
    const unescape = isEscaped(escapeHeaderValues, command)
      ? FrameImpl.hdrValueUnEscape
      : (text) => text;
    // Of a repeated header the first entry counts.
    const headers = Object.fromEntries(
      [...pairs].reverse().map((pair) => pair.map((text) => unescape(text.trim()))),
    );
    return new FrameImpl({ command, headers, binaryBody, escapeHeaderValues });
  }

  static marshall(params) {
    return new FrameImpl(params).serialize();
  }

  /** A text's bytes in UTF-8. */
  static sizeOfUTF8(text) {
    return utf8Length(`${text || ""}`);
  }

  static hdrValueEscape(text) {
    return text.replace(/[\\\r\n:]/g, (plain) => ESCAPES[plain]);
  }

  /** In one pass: what came out of one escape is no part of another. */
  static hdrValueUnEscape(text) {
    return text.replace(/\\[\\rnc]/g, (escaped) => UNESCAPES[escaped]);
  }
}
