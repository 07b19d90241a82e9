// Reads frames from texts and bytes. The core finds the heads, of which it gets as much as it needs;
// bodies stay what they came as.

import { Kind } from "./kind.js";
import { bytesOf, isHigh, textOf, utf8Encoder, write } from "./utf8.js";
import { open } from "./wasm.js";

let strict;

/** The core's faults from 16 on, then those of bodies. */
const FAULTS = [
  "a command that is none",
  "a NUL in a head",
  "a header line without name or colon",
  "more than 512 headers",
  "a head of more than 128 KiB, or in its first frame 32 KiB",
  "an undefined escape or a CR in a header",
  "a content-length that is no number, or another than before",
  "a body of more than 256 MiB, or in its first frame 32 KiB",
  "a frame that can't come now",
  "a version that was not offered",
  "a RECEIPT without receipt-id",
  "a head that is not UTF-8",
  "no NUL after the body",
];
const BODY_TOO_LONG = 23;
const NOT_UTF8 = 27;
const NO_NUL = 28;

/** In a header's first word: read the value from the window. */
const READ = 1 << 16;
/** In its lower half, for a name that the core does not keep. */
const NO_NUMBER = 0xffff;
/** In place of a content-length. */
const UNSIZED = 0xffffffff;

/** A body in bytes that is shorter is copied if much came with it, which it would keep. */
const SMALL = 4096;

const isText = (data) => typeof data === "string";

/** What came: a frame with its body as text or bytes, whichever is asked for. */
class Received {
  constructor(kind, command, headers) {
    this.kind = kind;
    this.command = command;
    this.headers = headers;
    this.text = this.bytes = undefined;
  }

  get body() {
    return (this.text ??= textOf(this.bytes));
  }

  get binaryBody() {
    return (this.bytes ??= bytesOf(this.text));
  }
}

export class Reader {
  /** The arguments are those of the core's `open`. */
  constructor(...args) {
    [this.core, this.id] = open(...args);
    /** What is not read yet, from `at` on. */
    this.data = "";
    this.at = 0;
    /** Half of a pair that ended a text. */
    this.half = "";
    /** How much of the data may be the next head. */
    this.window = 512;
    /** The frame whose body is to come, and what there is of it. */
    this.event = undefined;
    this.over = false;
  }

  /** Takes text, an ArrayBuffer or any view. */
  feed(data) {
    if (this.over) {
      // Nobody will read it.
      return;
    }
    let rest = isText(this.data) ? this.data.slice(this.at) : this.data.subarray(this.at);
    this.at = 0;
    if (!isText(data)) {
      if (this.half) {
        // It belongs to a text, and nothing but text came since.
        rest += this.half;
        this.half = "";
      }
      data = ArrayBuffer.isView(data)
        ? new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
        : new Uint8Array(data);
    }
    const before = this.event ? this.isText : rest.length ? isText(rest) : isText(data);
    if (before !== isText(data)) {
      // One frame over text and bytes: all of it becomes bytes.
      if (this.event && before) {
        this.toBytes();
      }
      [rest, data] = [rest, data].map((part) => (isText(part) ? bytesOf(part) : part));
    } else if (isText(data)) {
      data = this.half + data;
      const half = endsInPair(data);
      this.half = half ? data.slice(-1) : "";
      data = half ? data.slice(0, -1) : data;
    }
    this.data = !rest.length ? data : isText(data) ? rest + data : concat([rest, data]);
  }

  /** What the data hold next, a `Received`, or for a failure `{kind, text}`; undefined: no more. */
  next() {
    if (this.over) {
      return undefined;
    }
    try {
      const event = (this.event || this.readHead()) && this.readBody();
      if (event) {
        this.event = undefined;
        this.over = event.kind === Kind.ERROR || event.kind === Kind.DISCONNECTED;
      }
      return event;
    } catch (fault) {
      if (typeof fault !== "number") {
        throw fault;
      }
      this.over = true;
      this.data = "";
      return { kind: Kind.FAILURE, text: `the server sent ${FAULTS[fault - 16]}` };
    }
  }

  close() {
    this.core.close(this.id);
    this.id = -1;
    this.over = true;
  }

  readHead() {
    const { core, data } = this;
    const { io, words } = core;
    const text = isText(data);
    let kind;
    for (;;) {
      const { at } = this;
      if (at === data.length) {
        return undefined;
      }
      const end = at + this.window;
      let length;
      if (text) {
        length = write(data, at, end, io);
      } else {
        const part = data.subarray(at, end);
        io.set(part);
        length = part.length;
      }
      kind = core.head(this.id, length);
      if (kind) {
        break;
      }
      // Lines between frames: nobody needs them again.
      this.at += words[0];
      if (end >= data.length) {
        return undefined;
      }
      this.window = Math.min(2 * this.window, io.length);
    }
    if (kind >= 16) {
      throw kind;
    }
    const size = words[6];
    this.window = size + 24;
    // The host's text, if that is short: what is cut from a long one would keep all of it.
    const short = text && (words[3] < SMALL || data.length - this.at < SMALL);
    const head = short
      ? data
      : text
        ? // Put together and cut, so that it is a text of its own.
          ` ${data.slice(this.at, this.at + words[2])}`.slice(1)
        : textOf(io.subarray(0, size));
    const base = short ? this.at : 0;
    const headers = {};
    const { names } = core;
    for (let at = 8, end = 8 + 5 * words[4]; at < end; at += 5) {
      const first = words[at];
      const value =
        first >= READ
          ? decode(io.subarray(words[at + 3], words[at + 4]))
          : head.slice(base + words[at + 3], base + words[at + 4]);
      const number = first & 0xffff;
      const name = names[number];
      if (name === undefined) {
        addHeader(names, number, decode(io.subarray(words[at + 1], words[at + 2])), headers, value);
      } else {
        headers[name] = value;
      }
    }
    const command = kind === Kind.MESSAGE ? "MESSAGE" : textOf(io.subarray(words[0], words[1]));
    const event = new Received(this.kindOf(kind, headers), command, headers);
    this.at += text ? words[2] : size;
    this.length = words[3];
    this.limit = words[5];
    this.isText = text;
    /** What came of the body: text, or parts in bytes; and octets still to come, if they are counted. */
    this.parts = text ? "" : [];
    this.left = text ? -1 : this.length;
    return (this.event = event);
  }

  /** What the kind is for those who know more than the core. */
  kindOf(kind) {
    return kind;
  }

  readBody() {
    const content = this.isText ? this.readText() : this.readBytes();
    if (content === undefined) {
      this.data = "";
      this.at = 0;
      return undefined;
    }
    this.at++;
    const { event } = this;
    event[this.isText ? "text" : "bytes"] = content;
    return event;
  }

  /** The body in text up to its NUL, which is at `this.at` then; undefined if it is not all there. */
  readText() {
    const { data, at, parts, length } = this;
    if (this.left < 0) {
      const nul = data.indexOf("\0", at);
      const end = nul < 0 ? data.length : nul;
      const units = parts.length + end - at;
      if (units > (length === UNSIZED ? this.limit : length)) {
        throw length === UNSIZED ? BODY_TOO_LONG : NO_NUL;
      }
      const body = parts + data.slice(at, end);
      if (nul < 0) {
        this.parts = body;
        return undefined;
      }
      // As many characters as octets before the first NUL: there is nothing to count.
      if (length === UNSIZED || units === length) {
        this.at = end;
        return body;
      }
      this.left = length - bytesOf(parts).length;
      if (this.left < 0) {
        throw NO_NUL;
      }
    }
    // A NUL within the body, or characters of more octets than one: count them.
    let to = at;
    while (this.left && to < data.length) {
      let part = data.slice(to, to + 16384);
      if (endsInPair(part)) {
        part = part.slice(0, -1);
      }
      const { io } = this.core;
      const room = this.left < io.length ? io.subarray(0, this.left) : io;
      const { read, written } = utf8Encoder().encodeInto(part, room);
      if (!read) {
        throw NO_NUL;
      }
      to += read;
      this.left -= written;
    }
    const body = parts + data.slice(at, to);
    if (to === data.length) {
      this.parts = body;
      return undefined;
    }
    if (data.charCodeAt(to)) {
      throw NO_NUL;
    }
    this.at = to;
    return body;
  }

  /** The same in bytes. */
  readBytes() {
    const { data, at, parts, length, left } = this;
    const sized = length !== UNSIZED;
    if (left < 0) {
      throw NO_NUL;
    }
    let end = sized ? at + left : data.indexOf(0, at);
    const isThere = end >= 0 && end < data.length;
    if (!isThere) {
      end = data.length;
    } else if (data[end]) {
      throw NO_NUL;
    }
    let body = data.subarray(at, end);
    this.left -= body.length;
    if (!sized && length - this.left > this.limit) {
      throw BODY_TOO_LONG;
    }
    if (!isThere) {
      parts.push(body);
      return undefined;
    }
    this.at = end;
    if (parts.length) {
      return concat([...parts, body]);
    }
    return body.length < SMALL && data.length > 4 * SMALL ? body.slice() : body;
  }

  /** The text that there is of a body becomes bytes. */
  toBytes() {
    const bytes = bytesOf(this.parts);
    this.parts = [bytes];
    this.left = this.length - bytes.length;
    this.isText = false;
  }
}

/** The frames of a text or bytes. */
export function readFrames(data) {
  const reader = new Reader(0, 0, 0, 0);
  try {
    reader.feed(data);
    const frames = [];
    for (let event = reader.next(); event; event = reader.next()) {
      if (event.kind === Kind.FAILURE) {
        throw new Error(event.text);
      }
      frames.push(event);
    }
    return frames;
  } finally {
    reader.close();
  }
}

/** Whether a text ends in the first half of a pair. */
const endsInPair = (text) => isHigh(text.charCodeAt(text.length - 1));

function decode(bytes) {
  try {
    strict ??= new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
    return strict.decode(bytes);
  } catch {
    throw NOT_UTF8;
  }
}

/** A header whose name was not seen before, or has no number. */
function addHeader(names, number, name, headers, value) {
  if (number !== NO_NUMBER && name !== "__proto__") {
    names[number] = name;
  }
  // Of a repeated header the first entry counts; own properties only, whatever the name.
  if (!Object.prototype.hasOwnProperty.call(headers, name)) {
    Object.defineProperty(headers, name, {
      value,
      writable: true,
      enumerable: true,
      configurable: true,
    });
  }
}

function concat(parts) {
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
