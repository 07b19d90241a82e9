// A subscription, as the client and the loop that reads it see it.

import { onAbort, pending, StompError } from "./errors.js";

/**
 * Gives an object its `Symbol.asyncDispose`. A class that named it would be kept by bundlers whose
 * program does not use it.
 */
export const disposable = (self, dispose) => {
  self[Symbol.asyncDispose ?? Symbol.for("Symbol.asyncDispose")] = dispose;
};

export class Subscription {
  /** `leave(subscription)`: called when it ends from this side. */
  constructor(id, destination, options, leave) {
    this.id = id;
    this.destination = destination;
    this.options = options;
    this.leave = leave;
    this.messages = [];
    this.waiting = [];
    this.isOver = false;
    this.error = undefined;
    this.asked = pending();
    disposable(this, () => this.unsubscribe());
    /** Fulfilled at the server's receipt. */
    this.ready = this.asked.promise;
    this.deafen = onAbort(options.signal, (reason) => this.end(reason));
  }

  /** Ends it; what has come is still read. `headers` go with the frame: they end durable ones for good. */
  async unsubscribe({ headers } = {}) {
    this.last = headers;
    this.end();
  }

  [Symbol.asyncIterator]() {
    let last;
    return {
      next: () => {
        // Who asks for the next one has done with the last.
        this.done(last);
        return this.next().then((result) => {
          last = result.value;
          return result;
        });
      },
      return: async (value) => {
        this.messages = [];
        this.end();
        return { done: true, value };
      },
    };
  }

  // What follows is the client's.

  /** Whether the loop acknowledges: where the program has not said how. */
  get isLoops() {
    return !this.options.ack;
  }

  start(request, version, server) {
    const { ack = version === "1.0" ? "client" : "client-individual", headers, prefetch } = this.options;
    const count = prefetch ?? (this.isLoops ? 32 : undefined);
    // Artemis counts bytes by the second.
    const credit =
      count === undefined || /artemis/i.test(server)
        ? {}
        : { "prefetch-count": count, "activemq.prefetchSize": count };
    request("subscribe", this.id, this.destination, ack, {
      ...credit,
      ...(typeof headers === "function" ? headers() : headers),
      receipt: this.id,
    });
  }

  next() {
    const [message] = this.messages;
    if (message) {
      this.messages.shift();
      return Promise.resolve({ done: false, value: message });
    }
    if (this.error) {
      const { error } = this;
      this.error = undefined;
      return Promise.reject(error);
    }
    return this.isOver
      ? Promise.resolve({ done: true, value: undefined })
      : new Promise((resolve, reject) => this.waiting.push({ resolve, reject }));
  }

  take(message) {
    const { buffer = 1000, overflow } = this.options;
    const [first] = this.waiting;
    if (first) {
      this.waiting.shift();
      first.resolve({ done: false, value: message });
    } else if (this.messages.push(message) > buffer) {
      if (overflow === "oldest") {
        this.messages.shift();
      } else {
        this.messages.pop();
        const text = `subscription ${this.id}: nobody read ${buffer} messages (buffer), and more came`;
        this.end(new StompError("overflow", text));
      }
    }
  }

  done(message) {
    if (this.isLoops && message && !message.isAcknowledged) {
      try {
        message.ack();
      } catch {
        // Its connection has gone: the server gives it again.
      }
    }
  }

  /** The connection has gone. What was not acknowledged comes again. */
  lost() {
    if (this.options.ack !== "auto") {
      this.messages = [];
    }
  }

  end(error) {
    if (!this.isOver) {
      this.isOver = true;
      this.error = error;
      this.deafen?.();
      this.asked.reject(error ?? new StompError("closed", `subscription ${this.id} has ended`));
      this.leave(this);
      for (const { resolve, reject } of this.waiting.splice(0)) {
        if (this.error) {
          this.error = undefined;
          reject(error);
        } else {
          resolve({ done: true, value: undefined });
        }
      }
    }
  }
}
