import { Kind } from "../core/kind.js";
import { Reader } from "../core/reader.js";
import { textOf } from "../core/utf8.js";
import { call } from "../report.js";

/** Keeps of each head what its lines say: all of them, with their escapes. */
class RawReader extends Reader {
  kindOf(kind, _, length) {
    const { data, at, core } = this;
    const end = at + length;
    const head = typeof data === "string" ? data.slice(at, end) : textOf(data.subarray(at, end));
    // Ends of lines before the command are one character each.
    const lines = head.slice(core.words[0]).split(/\r*\n/);
    this.pairs = lines.slice(1, -2).map((line) => {
      const colon = line.indexOf(":");
      return [line.slice(0, colon), line.slice(colon + 1)];
    });
    return kind;
  }
}

/** Frames of a stream: `onFrame({command, headers: [[name, value]], binaryBody})`, `onIncomingPing()`. */
export class Parser {
  constructor(onFrame, onIncomingPing) {
    this.onFrame = onFrame;
    this.onIncomingPing = onIncomingPing;
  }

  /** Takes text or an ArrayBuffer. */
  parseChunk(segment, appendMissingNULLonIncoming = false) {
    // Of frames that are not a session's.
    const reader = (this.reader ??= new RawReader());
    reader.feed(segment);
    if (appendMissingNULLonIncoming && !/(\0|^)[\r\n]*$/.test(reader.data)) {
      reader.feed("\0");
    }
    try {
      for (;;) {
        this.pings();
        const event = reader.next();
        if (!event) {
          break;
        }
        if (event.kind === Kind.FAILURE) {
          throw new Error(event.text);
        }
        const { command, binaryBody } = event;
        call(this, this.onFrame, { command, headers: reader.pairs, binaryBody });
      }
    } finally {
      if (!reader.event && reader.at >= reader.data.length && !reader.half) {
        // Between frames it holds no place in the core.
        reader.close();
        this.reader = undefined;
      }
    }
  }

  /** Line ends before a frame, and NULs that nothing needs. */
  pings() {
    const { reader } = this;
    for (; !reader.event && reader.at < reader.data.length; reader.at++) {
      const next = reader.data[reader.at];
      if (next === "\n" || next === 10) {
        this.onIncomingPing();
      } else if (!["\r", 13, "\0", 0].includes(next)) {
        return;
      }
    }
  }
}
