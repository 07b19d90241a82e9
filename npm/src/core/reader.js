// Reads frames from texts and bytes. The core finds the heads, of which it gets as much as it needs;
// bodies stay what they came as.

import { Kind } from "./kind.js";
import { asBytes, bytesOf, concat, strictTextOf, textOf, utf8Length, write } from "./utf8.js";
import { open } from "./wasm.js";

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
  /** The arguments are those of the core's `open`; without any it reads frames, whatever they mean. */
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
    /** Whether nothing came that could end the head that has begun. */
    this.isWaiting = false;
  }

  /** Takes text, an ArrayBuffer or any view. */
  feed(data) {
    if (this.over) {
      // Nobody will read it.
      return;
    }
    const { event, at } = this;
    let { half } = this;
    this.half = "";
    if (isText(data)) {
      data = half + data;
      half = "";
      if (/[\ud800-\udbff]$/.test(data)) {
        this.half = data.slice(-1);
        data = data.slice(0, -1);
      }
    } else {
      data = asBytes(data);
    }
    const rest = isText(this.data) ? this.data.slice(at) : this.data.subarray(at);
    if (event || rest.length || half) {
      // What is left of one piece and continued by another becomes bytes, whatever they are.
      data = asBytes(data);
      if (this.isWaiting) {
        // A head that comes in many pieces is not read again for each: it has few ends of lines.
        const hasEnd = data.includes(10) || data.includes(0);
        this.isWaiting = !hasEnd && rest.length + data.length < this.core.io.length;
      }
      data = concat([rest, half, data]);
    }
    this.data = data;
    this.at = 0;
  }

  /** What the data hold next, a `Received`, or for a failure `{kind, text}`; undefined: no more. */
  next() {
    if (this.over || this.isWaiting) {
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
      return failure(`the server sent ${FAULTS[fault - 16]}`);
    }
  }

  close() {
    this.core.close(this.id);
    this.id = -1;
    this.over = true;
  }

  readHead() {
    const { core, data } = this;
    const { io, words, names } = core;
    const text = isText(data);
    let kind;
    let units;
    let length;
    for (;;) {
      const { at } = this;
      if (at === data.length) {
        return undefined;
      }
      const end = Math.min(at + this.window, data.length);
      length = units = end - at;
      if (text) {
        length = write(data, at, end, io);
      } else {
        io.set(data.subarray(at, end));
      }
      kind = core.head(this.id, length);
      if (kind) {
        break;
      }
      // Lines between frames: nobody needs them again.
      this.at += words[0];
      if (end === data.length) {
        this.isWaiting = this.at < end;
        return undefined;
      }
      this.window = Math.min(2 * this.window, io.length);
    }
    if (kind >= 16) {
      throw kind;
    }
    const size = words[5];
    this.window = size + 24;
    this.length = words[2];
    this.limit = words[4];
    // The host's text, if it is short: what is cut from a long one would keep all of it. And if it is
    // ASCII, where places in it are those in the window.
    const isHosts =
      text && length === units && (this.length < SMALL || data.length - this.at < SMALL);
    const head = isHosts ? data : decode(io.subarray(0, size));
    const base = isHosts ? this.at : 0;
    units = isHosts ? size : head.length;
    const headers = {};
    for (let at = 9, end = 9 + 5 * words[3]; at < end; at += 5) {
      const first = words[at];
      const value =
        first < READ && units === size
          ? head.slice(base + words[at + 3], base + words[at + 4])
          : textOf(io.subarray(words[at + 3], words[at + 4]));
      const number = first & 0xffff;
      const name = names[number];
      if (name === undefined) {
        addHeader(names, number, textOf(io.subarray(words[at + 1], words[at + 2])), headers, value);
      } else {
        headers[name] = value;
      }
    }
    const command = kind === Kind.MESSAGE ? "MESSAGE" : textOf(io.subarray(words[0], words[1]));
    const headLength = text ? units : size;
    const event = new Received(this.kindOf(kind, headers, headLength), command, headers);
    this.at += headLength;
    /** What came of a body in bytes, and octets still to come, if they are counted. */
    this.parts = [];
    this.left = this.length;
    return (this.event = event);
  }

  /** What the kind is for those who know more than the core. */
  kindOf(kind) {
    return kind;
  }

  /** The event with its body, undefined if that is not all there. */
  readBody() {
    return this.readText() || this.readBytes();
  }

  /**
   * A body in text up to the first NUL. If that is one of the body's, or there is none yet, the data
   * become bytes, of which as many can be taken as are said.
   */
  readText() {
    const { data, at, event, length, limit } = this;
    if (isText(data)) {
      const end = data.indexOf("\0", at);
      const text = data.slice(at, end);
      const units = text.length;
      if (
        end >= 0 &&
        units <= limit &&
        // As many characters as octets: there is nothing to count.
        (length === UNSIZED || length === units || length === utf8Length(text))
      ) {
        event.text = text;
        this.at = end + 1;
        return event;
      }
      this.data = bytesOf(data.slice(at));
      this.at = 0;
    }
    return undefined;
  }

  readBytes() {
    const { data, at, event, length, limit, parts } = this;
    const end = length === UNSIZED ? data.indexOf(0, at) : at + this.left;
    const isThere = end >= 0 && end < data.length;
    const body = data.subarray(at, isThere ? end : data.length);
    this.left -= body.length;
    if (length === UNSIZED && length - this.left > limit) {
      throw BODY_TOO_LONG;
    }
    if (isThere) {
      if (data[end]) {
        throw NO_NUL;
      }
      this.at = end + 1;
      event.bytes = parts.length
        ? concat([...parts, body])
        : body.length < SMALL && data.length > 4 * SMALL
          ? body.slice()
          : body;
      return event;
    }
    parts.push(body);
    this.data = "";
    this.at = 0;
    return undefined;
  }
}

/** What ends a session, in the form of the ERROR that a server could have sent. */
export const failure = (text) => ({
  kind: Kind.FAILURE,
  command: "ERROR",
  headers: { message: text },
  text,
});

/** The frames of a text or bytes. */
export function readFrames(data) {
  const reader = new Reader();
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

function decode(bytes) {
  try {
    return strictTextOf(bytes);
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
  if (!{}.hasOwnProperty.call(headers, name)) {
    Object.defineProperty(headers, name, {
      value,
      writable: true,
      enumerable: true,
      configurable: true,
    });
  }
}
