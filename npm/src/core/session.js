// A session of the core, in JavaScript's terms.

import { exports } from "./wasm.js";

const encoder = new TextEncoder();
// A body that begins with U+FEFF keeps it.
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** What `next` gives; the numbers are the core's. */
export const Kind = {
  CONNECTED: 1,
  MESSAGE: 2,
  UNKNOWN_MESSAGE: 3,
  RECEIPT: 4,
  DISCONNECTED: 5,
  ERROR: 6,
  UNHANDLED: 7,
  FAILURE: 8,
  FRAME: 9,
};

const SEND = 1;
const SUBSCRIBE = 2;
const UNSUBSCRIBE = 3;
const ACK = 4;
const NACK = 5;
const BEGIN = 6;
const COMMIT = 7;
const ABORT = 8;
const DISCONNECT = 9;

const clock = () =>
  typeof performance === "object" ? performance.now() : Date.now();

/** A list of texts, each ended by NUL; a text with a NUL can't be in a frame's head. */
function list(texts) {
  for (const text of texts) {
    if (text.includes("\0")) {
      throw new Error(`a header can't hold a NUL: ${JSON.stringify(text)}`);
    }
  }
  return texts.length ? texts.join("\0") + "\0" : "";
}

/** Names and values; `null` and `undefined` mean no header. */
function pairs(headers) {
  const texts = [];
  for (const name of Object.keys(headers ?? {})) {
    const value = headers[name];
    if (value !== null && value !== undefined) {
      texts.push(name, String(value));
    }
  }
  return texts;
}

function put(core, ...parts) {
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  const address = core.buffer(length);
  const bytes = new Uint8Array(core.memory.buffer, address, length);
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
}

function result(core) {
  const [head, headLength, body, bodyLength] = new Uint32Array(
    core.memory.buffer,
    core.results(),
    4,
  );
  return {
    head: () => decoder.decode(new Uint8Array(core.memory.buffer, head, headLength)),
    // A copy: the core's memory is used again at the next call.
    body: () => new Uint8Array(core.memory.buffer, body, bodyLength).slice(),
  };
}

export class Session {
  /** A session whose CONNECT is ready to be transmitted. */
  constructor({ versions, outgoing, incoming, tolerance, headers }) {
    this.core = exports();
    const texts = [versions, String(outgoing), String(incoming), String(tolerance)];
    put(this.core, encoder.encode(list([...texts, ...pairs(headers)])));
    this.id = this.core.open(clock());
    if (this.id < 0) {
      throw new Error(result(this.core).head());
    }
  }

  /** Takes the data of a socket's message. */
  feed(data) {
    put(this.core, bytesOf(data));
    this.core.feed(this.id, clock());
  }

  /** What the data hold next: `{kind, command, headers, bytes}`, or for a failure `{kind, text}`. */
  next() {
    return next(this.core, this.id);
  }

  send(destination, headers, body, withLength) {
    const bytes = typeof body === "string" ? encoder.encode(body) : body;
    this.request(SEND, [destination, withLength ? "auto" : "never"], headers, bytes);
  }

  subscribe(id, destination, ack, headers) {
    this.request(SUBSCRIBE, [id, destination, ack], headers);
  }

  unsubscribe(id, headers) {
    this.request(UNSUBSCRIBE, [id], headers);
  }

  /** `message`: its `ack`, `message-id` and `subscription` headers, as far as there are. */
  acknowledge(consumed, { ack, messageId, subscription }, headers) {
    const texts = [ack ?? "", messageId ?? "", subscription ?? ""];
    this.request(consumed ? ACK : NACK, texts, headers);
  }

  begin(transaction) {
    this.request(BEGIN, [transaction]);
  }

  commit(transaction) {
    this.request(COMMIT, [transaction]);
  }

  abort(transaction) {
    this.request(ABORT, [transaction]);
  }

  disconnect(headers) {
    this.request(DISCONNECT, [], headers);
  }

  request(kind, texts, headers, body = new Uint8Array(0)) {
    const head = encoder.encode(list([...texts.map(String), ...pairs(headers)]));
    put(this.core, head, body);
    if (this.core.request(this.id, kind, head.length) !== 0) {
      throw new Error(result(this.core).head());
    }
  }

  /** The next frame to send, or undefined. */
  transmit() {
    return this.core.transmit(this.id) ? result(this.core).body() : undefined;
  }

  beat() {
    this.core.beat(this.id, clock());
  }

  isSilent() {
    return this.core.is_silent(this.id, clock()) === 1;
  }

  /** The agreed intervals in milliseconds; 0: none. */
  heartBeat() {
    return { outgoing: this.core.beat_out(this.id), incoming: this.core.beat_in(this.id) };
  }

  /** `"1.0"`, `"1.1"`, `"1.2"`, or undefined before CONNECTED. */
  version() {
    const version = this.core.version(this.id);
    return version ? `1.${version % 10}` : undefined;
  }

  close() {
    this.core.close(this.id);
    this.id = -1;
  }
}

/** The frames of a text or bytes, and what is left of it. */
export function readFrames(data) {
  const core = exports();
  const id = core.open_reader();
  const frames = [];
  put(core, bytesOf(data));
  core.feed(id, 0);
  for (let event = next(core, id); event; event = next(core, id)) {
    if (event.kind === Kind.FAILURE) {
      core.close(id);
      throw new Error(event.text);
    }
    frames.push(event);
  }
  core.close(id);
  return frames;
}

function next(core, id) {
  const kind = core.next(id, clock());
  if (kind === 0) {
    return undefined;
  }
  const { head, body } = result(core);
  if (kind === Kind.FAILURE) {
    return { kind, text: head() };
  }
  const [command, ...texts] = head().split("\0");
  const headers = {};
  for (let at = 0; at < texts.length; at += 2) {
    // Of a repeated header the first entry counts; own properties only, whatever the name.
    if (!Object.hasOwn(headers, texts[at])) {
      Object.defineProperty(headers, texts[at], {
        value: texts[at + 1],
        writable: true,
        enumerable: true,
        configurable: true,
      });
    }
  }
  return { kind, command, headers, bytes: body() };
}

/** Text, ArrayBuffer or any view as bytes. */
function bytesOf(data) {
  if (typeof data === "string") {
    return encoder.encode(data);
  }
  if (data instanceof ArrayBuffer) {
    return new Uint8Array(data);
  }
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}

/** A text of bytes, whatever they are. */
export const textOf = (bytes) => decoder.decode(bytes);
