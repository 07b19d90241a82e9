import { ignore } from "../connection.js";
import { Kind } from "../core/session.js";

/** What a server says of credentials that it will refuse again. */
const REFUSED = /access|auth|credential|denied|forbidden|login|passcode|password|permi|refused|secur/i;
/** What it may not say the next time. */
const FULL = /too many|limit/i;

/** What went wrong; `code` says which kind, and `frame` is the server's, if it was one. */
export class StompError extends Error {
  constructor(code, message, more) {
    super(message);
    Object.assign(this, { name: "StompError", code }, more);
  }
}

/**
 * `{promise, resolve, reject, limit(ms, what)}`: a promise that also fails by the signal, and at the
 * limit. Nobody has to look at it: a failure that nobody waits for is not reported.
 */
export function pending(signal) {
  let timer;
  let deafen;
  const result = {};
  result.promise = new Promise((resolve, reject) => {
    const end = (settle) => (value) => {
      clearTimeout(timer);
      deafen?.();
      settle(value);
    };
    result.resolve = end(resolve);
    result.reject = end(reject);
  });
  result.promise.catch(ignore);
  result.limit = (ms, what) => {
    clearTimeout(timer);
    // A timer's longest; beyond it there is none.
    timer =
      ms < 2 ** 31 &&
      setTimeout(() => result.reject(new StompError("timeout", `${what}: not within ${ms} ms`)), ms);
  };
  deafen = onAbort(signal, result.reject);
  return result;
}

/** Calls back when the signal is aborted, if there is one, or now if it is. Returns what ends that. */
export function onAbort(signal, callback) {
  const abort = () => callback(signal.reason);
  signal?.aborted ? abort() : signal?.addEventListener("abort", abort);
  return () => signal?.removeEventListener("abort", abort);
}

/** The error of an ERROR frame, or of a session's failure. */
export function errorOf(event, wasConnected) {
  if (event.kind === Kind.FAILURE) {
    return new StompError("protocol", event.text);
  }
  const { headers, body } = event;
  const text = headers.message ?? body;
  const all = text + body;
  const isRefused = !wasConnected && REFUSED.test(all) && !FULL.test(all);
  return new StompError(isRefused ? "refused" : "server", `the server says: ${text}`, { frame: event });
}
