// Runs all `*.suite.mjs` in the page, one test after the other, and reports.

const ask = async (path, body) => (await fetch(path, body && { method: "POST", body })).text();

/** How long a test may take, in ms: it is there to end one that hangs. */
const LIMIT = 30_000;

export const context = {
  /** The broker's WebSocket. */
  broker: await ask("/broker"),
  /** Ends the broker at once, and starts it again where it was. */
  kill: () => ask("/kill"),
  restart: () => ask("/restart"),
  equal(actual, expected, what = "") {
    const [a, b] = [actual, expected].map((value) => JSON.stringify(value));
    if (a !== b) throw new Error(`${what} ${a?.slice(0, 300)} is not ${b?.slice(0, 300)}`);
  },
  /** Until the condition holds. */
  async until(condition) {
    while (!condition()) await new Promise((resolve) => setTimeout(resolve, 20));
  },
};

const outcomes = [];
const uncaught = [];
addEventListener("error", ({ message }) => uncaught.push(message));
addEventListener("unhandledrejection", ({ reason }) => uncaught.push(String(reason)));

try {
  for (const file of JSON.parse(await ask("/suites"))) {
    const { suite, tests } = await import(`./${file}`);
    for (const [name, test] of Object.entries(tests)) {
      let timer;
      const limit = new Promise((_, reject) => {
        timer = setTimeout(() => reject(new Error(`no end within ${LIMIT} ms`)), LIMIT);
      });
      let error;
      try {
        await Promise.race([test(context), limit]);
      } catch (thrown) {
        error = thrown?.stack ? `${thrown}\n${thrown.stack}` : JSON.stringify(thrown);
      }
      clearTimeout(timer);
      outcomes.push({ name: `${suite}: ${name}`, error });
    }
  }
} catch (error) {
  outcomes.push({ name: "the page", error: `${error}\n${error?.stack}` });
}
outcomes.push({ name: "nothing uncaught", error: uncaught.length ? uncaught.join("\n") : undefined });
await ask("/report", JSON.stringify(outcomes));
