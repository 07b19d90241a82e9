/** The arguments of `connect` as `[headers, onConnect, onError, onClose]`. */
export function connectArguments(args) {
  let headers = {};
  let rest;
  if (args.length === 2 || (args.length > 2 && typeof args[1] === "function")) {
    [headers, ...rest] = args;
  } else {
    [headers.login, headers.passcode, ...rest] = args;
  }
  const [connectCallback, errorCallback, ...last] = rest;
  let closeCallback;
  for (const argument of last) {
    // By type: a function is called at the close, a string is the host.
    if (typeof argument === "function") {
      closeCallback = argument;
    } else if (argument !== undefined && argument !== null) {
      headers.host = argument;
    }
  }
  const parsed = [headers, connectCallback, errorCallback];
  return closeCallback ? [...parsed, closeCallback] : parsed;
}
