// One connection, under all faces: a socket, the core's session on it, its heart-beats and its end.

import { Kind, Session, textOf } from "./core/session.js";
import { bytesOf, utf8Length } from "./core/utf8.js";
import { call } from "./report.js";
import { split } from "./split.js";
import { every } from "./ticker.js";

const OPEN = 1;

export const ignore = () => {};

const now = () => Date.now();

/** A timer that keeps no Node alive. */
export function later(limit, callback) {
  const timer = setTimeout(callback, limit);
  timer.unref?.();
  return timer;
}

/** A 1.0 server may not say which subscription a message is of; if there is one only, there is no doubt. */
export function only(subscriptions) {
  const ids = Object.keys(subscriptions);
  return ids.length === 1 ? ids[0] : undefined;
}

/** Only these two commands hold a passcode. */
const hidden = (text) =>
  /^(CONNECT|STOMP)\n/.test(text) ? text.replace(/(\npasscode:)[^\n]*/g, "$1********") : text;

/** A text with the NUL that its host chopped off, which a broker's line ends may follow, uncounted. */
function withNull(text) {
  if (/(\0|^)\n*$/.test(text)) {
    return text;
  }
  const [head, length] =
    /^\n*(?:[^\n]+\n)+?(?:content-length:(\d+)\r?\n(?:[^\n]+\n)*?)?\r?\n/.exec(text) ?? [];
  const end = length && text.length - utf8Length(text.slice(head.length)) + +length;
  return /^\n+$/.test(text.slice(end)) ? `${text.slice(0, end)}\0${text.slice(end)}` : `${text}\0`;
}

const asText = (data) => (typeof data === "string" ? data : textOf(data));

/** A frame that came, as its head was. */
const headOf = ({ command, headers }) =>
  `${command}\n${Object.keys(headers).map((name) => `${name}:${headers[name]}\n`).join("")}\n`;

export class Connection {
  /**
   * `socket`: anything with the face of a WebSocket, opening or open.
   *
   * `options`, each read when it is needed, so getters do: `versions` as `1.2,1.1`; `headers` of
   * CONNECT; `outgoing`, `incoming` heart-beats in ms; `tolerance` in percent of the agreed interval
   * (200); `every(ms, callback, isOutgoing)`, which returns what ends it; `limit` in ms for DISCONNECT's receipt,
   * and again for the close; `split`, the most characters in a piece; `whole`: bytes are not split;
   * `binary`: all goes out as bytes; `text`: nothing does (as SockJS, which is known); `addNull`: the
   * host chops the NUL off (React Native); `raw`: debug
   * lines show whole frames; `linger`: a silent peer's socket is closed, not discarded.
   *
   * `on`: callbacks, isolated from each other: `opened()`; `data(data)` as it came; `frame(event)`,
   * each of the session's; `beat()` that came; `silent(ms)`, after which the socket goes; `piece(sent,
   * remaining)` of a frame that was split; `error(event)` of the socket; `closed(event)`, once, after
   * which nothing comes but of a discarded socket a line; and `debug(make)`, where `make()` gives one.
   */
  constructor(socket, options, on) {
    this.socket = socket;
    this.options = options;
    this.on = on;
    this.session = this.timer = undefined;
    this.isOver = false;
    this.ticks = [];
    socket.binaryType = "arraybuffer";
    socket.onmessage = ({ data }) => this.receive(data);
    const failed = (event) => this.call("error", event);
    if (on.error) {
      socket.onerror = failed;
    } else {
      // A program's own stays; and `ws` of Node throws if nobody listens.
      socket.onerror ??= ignore;
    }
    socket.onclose = (event) => this.closed(event);
    const opened = () => this.isOver || this.session || this.opened();
    if (socket.readyState === OPEN) {
      // It was opened by somebody else: its event has gone by.
      queueMicrotask(opened);
    } else {
      socket.onopen = opened;
    }
  }

  /** Calls a method of the session and sends what comes of it; throws what it refuses. */
  request(method, ...args) {
    if (!this.session) {
      throw new Error("not connected");
    }
    this.session[method](...args);
    this.flush();
  }

  /** Takes leave, closes at the receipt or the limit, and then tells `closed`. */
  disconnect(headers) {
    if (!this.session?.version()) {
      // Before CONNECTED, or after an ERROR, there is nobody to take leave of.
      this.close();
      return;
    }
    this.request("disconnect", headers);
    this.wait(() => this.close());
  }

  /** Closes the socket, and discards it if it has not closed at the limit. */
  close() {
    if (!this.isOver) {
      this.stop();
      this.wait(() => this.discard());
      this.socket.onopen = this.socket.onmessage = ignore;
      this.socket.close();
    }
  }

  /** Leaves the socket to its fate, which may take minutes, and tells `closed` now. */
  discard(reason = "") {
    const { socket } = this;
    if (!this.isOver) {
      socket.onopen = socket.onmessage = socket.onerror = ignore;
      const begun = now();
      socket.onclose = ({ code, reason: why } = {}) =>
        this.say(
          () => `Discarded socket closed after ${now() - begun}ms, with code/reason: ${code}/${why}`,
        );
      call(socket, socket.terminate ?? socket.close);
      this.closed({ type: "close", code: 4001, reason, wasClean: false });
    }
  }

  // What follows is not for faces.

  call(name, ...args) {
    return call(this.on, this.on[name], ...args);
  }

  say(make) {
    this.call("debug", make);
  }

  wait(callback) {
    if (!this.isOver) {
      clearTimeout(this.timer);
      this.timer = later(this.options.limit ?? 2000, callback);
    }
  }

  opened() {
    this.call("opened");
    const { versions, headers, outgoing, incoming, tolerance = 200 } = this.options;
    try {
      if (/[\0\r\n]/.test(headers?.passcode)) {
        // The core's error would quote it.
        throw new Error("the passcode has a line end or NUL, which CONNECT can't hold");
      }
      this.session = new Session({ versions, headers, outgoing, incoming, tolerance });
    } catch ({ message }) {
      this.handle({ kind: Kind.FAILURE, text: message });
      return;
    }
    this.flush();
  }

  /** Sends what the session has to send. */
  flush() {
    const { socket, options, session } = this;
    for (let frame; socket.readyState === OPEN && (frame = session.transmit()); ) {
      const isBeat = frame === "\n";
      this.say(() => {
        const text = hidden(asText(frame));
        return `>>> ${isBeat ? "PING" : options.raw ? text : text.slice(0, text.indexOf("\n\n") + 2)}`;
      });
      if (typeof frame !== "string" && (options.text ?? "_transportsWhitelist" in socket)) {
        // SockJS carries text only; what is none must not be sent in part.
        frame = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(frame);
      }
      let remaining = frame.length;
      const isText = typeof frame === "string";
      const size = (isText || !options.whole) && !isBeat && options.split;
      for (const piece of split(frame, size)) {
        remaining -= piece.length;
        socket.send(options.binary && isText ? bytesOf(piece) : piece);
        size && this.call("piece", piece.length, remaining);
      }
    }
  }

  receive(data) {
    if (!this.session) {
      return;
    }
    this.call("data", data);
    const { options } = this;
    if (data === "\n" || (data.byteLength === 1 && asText(data) === "\n")) {
      this.say(() => "<<< PONG");
      this.call("beat");
    } else {
      if (options.addNull && typeof data === "string") {
        data = withNull(data);
      }
      options.raw && this.say(() => `<<< ${asText(data)}`);
    }
    this.session.feed(data);
    // A callback may end the session.
    for (let event; (event = this.session?.next()); ) {
      this.handle(event);
    }
  }

  handle(event) {
    const { kind } = event;
    if (kind === Kind.FAILURE) {
      this.say(() => event.text);
    } else if (!this.options.raw) {
      this.say(() => `<<< ${headOf(event)}`);
    }
    if (kind === Kind.CONNECTED) {
      this.say(() => `connected to server ${event.headers.server}`);
      this.beat();
    }
    this.call("frame", event);
    if (kind === Kind.FAILURE || kind === Kind.DISCONNECTED) {
      this.close();
    } else if (kind === Kind.ERROR) {
      // The server closes.
      this.stop();
      this.wait(() => this.close());
    }
  }

  beat() {
    const { outgoing, incoming } = this.session.heartBeat();
    const tick = (...args) => this.ticks.push((this.options.every ?? every)(...args));
    if (outgoing) {
      this.say(() => `send PING every ${outgoing}ms`);
      tick(outgoing, () => this.session && this.request("beat"), true);
    }
    if (incoming) {
      this.say(() => `check PONG every ${incoming}ms`);
      let last = now();
      // What has come is heard now: see there.
      this.session.isSilent();
      let isPardoned = false;
      tick(incoming, () => {
        const late = now() - last > 1.5 * incoming;
        last = now();
        if (!this.session?.isSilent()) {
          isPardoned = false;
        } else if (late && !isPardoned) {
          // This host slept: what the peer sent meanwhile may be on its way.
          isPardoned = true;
        } else {
          const limit = incoming * ((this.options.tolerance ?? 200) / 100);
          this.say(() => `did not receive server activity for the last ${limit}ms`);
          this.call("silent", limit);
          this.options.linger ? this.close() : this.discard("no heart-beat");
        }
      });
    }
  }

  stop() {
    this.ticks.splice(0).forEach((end) => end());
  }

  closed(event) {
    if (!this.isOver) {
      this.isOver = true;
      this.stop();
      clearTimeout(this.timer);
      this.session?.close();
      this.session = undefined;
      this.call("closed", event);
    }
  }
}
