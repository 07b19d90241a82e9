// What the specs need beside their checkouts.

import { skip, startServer } from "../test/server.mjs";

/** The broker to connect to: ours, or the WebSocket's URL that BROKER says, where guest may log in as guest. */
export async function startBroker() {
  const { BROKER } = process.env;
  return BROKER
    ? { ws: BROKER, stop() {} }
    : startServer("--user", "guest:guest", "--heart-beat", "1000,1000");
}

/** Why the specs are skipped, or false. `name`: of the variable that names the checkout. */
export const without = (name, repository, commit) =>
  (!process.env.BROKER && skip) ||
  (!process.env[name] && `set ${name} to a checkout of ${repository} at ${commit}`);
