// What of STOMP works between the JavaScript client and a broker: the twin of the Rust probe in `../src`,
// which does the same step by step, with the same lines of JSON. The library has to be built.
//
//     node probe.mjs URL --kind KIND --brokers FOLDER [--gateway BROKER] [--login …] [--passcode …] [--host …] [--only …]

import { checks } from "./checks.mjs";
import { args, Check, expect, run, TIMEOUT, within } from "./session.mjs";

/** How long a capability may take, beyond which it does not work. */
const LIMIT = 60_000;
/** The most characters of what was seen. */
const MOST = 200;

/** Prints what comes of a check. */
async function done(name) {
  const check = new Check();
  let line = { capability: name, ok: true };
  try {
    const late = Symbol("late");
    const result = await within(LIMIT, Promise.race([checks[name](check), check.lost]), late);
    expect(result !== late, `it was not done within ${LIMIT / 1000} s`);
  } catch (error) {
    let text = error.message;
    for (let { cause } = error; cause instanceof Error; { cause } = cause) {
      text += text.includes(cause.message) ? "" : `: ${cause.message}`;
    }
    const seen = text.replaceAll(run, "RUN").replaceAll(/\s*\n\s*/g, " ").slice(0, MOST);
    line = { capability: name, ok: false, seen };
  }
  console.log(JSON.stringify(line));
  await within(TIMEOUT, check.close());
}

try {
  const first = new Check();
  const client = await first.connect();
  console.log(JSON.stringify({ server: client.server ?? "" }));
  await first.close();
} catch (error) {
  console.error(error.message);
  process.exit(1);
}
// One is idle for most of its time, so the others are done meanwhile.
const names = Object.keys(checks).filter((name) => args.only?.includes(name) ?? true);
const idle = "heart-beats";
await Promise.all([
  names.includes(idle) && done(idle),
  (async () => {
    for (const name of names) {
      if (name !== idle) await done(name);
    }
  })(),
]);
process.exit(0);
