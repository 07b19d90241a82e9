// Runs the Jasmine specs of a module, and writes as JSON what came of each.

import Jasmine from "jasmine";
import WebSocket from "ws";

const [, , module] = process.argv;
// The clients' debug lines.
console.log = () => {};
globalThis.WebSocket = WebSocket;

const results = [];
const jasmine = new Jasmine();
jasmine.exitOnCompletion = false;
jasmine.clearReporters();
jasmine.addReporter({
  specDone: ({ fullName, status, failedExpectations }) =>
    results.push({ fullName, status, messages: failedExpectations.map(({ message }) => message) }),
});
await jasmine.execute([module]);
process.stdout.write(JSON.stringify(results), () => process.exit());
