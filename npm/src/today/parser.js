import { Kind } from "../core/kind.js";
import { Reader } from "../core/reader.js";

/** Frames of a stream: `onFrame({command, headers: [[name, value]], binaryBody})`, `onIncomingPing()`. */
export class Parser {
  constructor(onFrame, onIncomingPing) {
    this.onFrame = onFrame;
    this.onIncomingPing = onIncomingPing;
    // Of frames that are not a session's.
    this.reader = new Reader(0, 0, 0, 0);
  }

  /** Takes text or an ArrayBuffer. */
  parseChunk(segment, appendMissingNULLonIncoming = false) {
    const { reader } = this;
    reader.feed(segment);
    if (appendMissingNULLonIncoming && !/(\0|^)[\r\n]*$/.test(reader.data)) {
      reader.feed("\0");
    }
    for (;;) {
      this.pings();
      const event = reader.next();
      if (!event) {
        return;
      }
      if (event.kind === Kind.FAILURE) {
        throw new Error(event.text);
      }
      const { command, headers, binaryBody } = event;
      this.onFrame({ command, headers: Object.entries(headers), binaryBody });
    }
  }

  /** Line ends before a frame. */
  pings() {
    const { reader } = this;
    for (; !reader.event && reader.at < reader.data.length; reader.at++) {
      const next = reader.data[reader.at];
      if (next === "\n" || next === 10) {
        this.onIncomingPing();
      } else if (next !== "\r" && next !== 13) {
        return;
      }
    }
  }
}
