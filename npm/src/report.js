/**
 * Reports what a callback threw: to `window.onerror` in browsers; on the console of Node, which an
 * uncaught error would end.
 */
export function report(error) {
  typeof reportError === "function" ? reportError(error) : console.error(error);
}

/** Calls a program's function, if it is one; what it throws does not stop others. */
export function call(self, callback, ...args) {
  if (typeof callback === "function") {
    try {
      return callback.apply(self, args);
    } catch (error) {
      report(error);
    }
  }
}
