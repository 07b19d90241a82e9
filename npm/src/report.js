/** Reports what a callback threw as the host reports any uncaught error. */
export function report(error) {
  if (typeof reportError === "function") {
    reportError(error);
  } else {
    setTimeout(() => {
      throw error;
    });
  }
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
