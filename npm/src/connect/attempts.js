// How a client comes to a connection, and what it listens to there.

import { Connection } from "../connection.js";
import { Kind } from "../core/session.js";
import { transports } from "../transports/open.js";
import { shuffled, withoutLogin } from "./addresses.js";
import { errorOf, pending, StompError } from "./errors.js";

const BEATS = { outgoing: 10000, incoming: 10000 };

const valueOf = (value, ...args) => (typeof value === "function" ? value(...args) : value);

/** Tries the addresses, round after round, until one answers; after an error not at once. */
export async function run(client, round, error) {
  const { attempts, initialAttempts, randomize, delay, maxDelay, jitter } = client.options;
  for (;;) {
    if (error) {
      client.set("waiting");
      await pause(client, Math.min(delay * 2 ** round, maxDelay) * (1 - jitter * Math.random()));
    }
    for (const address of randomize ? shuffled(client.list) : client.list) {
      if (client.isEnding()) {
        return;
      }
      client.set("connecting");
      try {
        await attempt(client, address, round);
        client.round = round;
        return;
      } catch (failure) {
        error = failure;
        if (!client.isEnding()) {
          client.emit("failed", error);
          /refused|address/.test(error.code) && client.end(error);
        }
      }
    }
    if (++round >= (client.since ? attempts : Math.min(attempts, initialAttempts))) {
      client.end(error);
    }
    if (client.isEnding()) {
      return;
    }
  }
}

function pause(client, ms) {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    client.wake = () => {
      clearTimeout(timer);
      resolve();
    };
    // The network is back: no reason to wait.
    globalThis.addEventListener?.("online", client.wake, { once: true });
  }).finally(() => globalThis.removeEventListener?.("online", client.wake));
}

async function attempt(client, address, round) {
  const wait = (client.attempting = pending());
  const { options } = client;
  let own;
  let isDone = false;
  wait.limit(options.timeout, "a connection (timeout)");
  const open = async () => {
    const target = await valueOf(address, round);
    const headers = await valueOf(options.headers, round);
    if (isDone) {
      return;
    }
    let socket = target;
    let found = {};
    if (typeof target === "string" || target instanceof URL) {
      const [url, from] = withoutLogin(target);
      const protocols = String(options.versions).split(",").map((it) => `v${it.replace(".", "")}.stomp`);
      found = from;
      socket = transports.open(url, { protocols, ...options });
    }
    if (socket.readyState > 1) {
      throw new StompError("address", "the socket that was given is spent: give a function that makes one");
    }
    const { login = found.login, passcode = found.passcode, host = found.host } = options;
    own = connection(client, socket, { host, login, passcode, ...headers }, wait);
  };
  open().catch(wait.reject);
  try {
    await wait.promise;
  } catch (error) {
    own?.discard();
    throw error;
  } finally {
    isDone = true;
  }
}

function connection(client, socket, headers, wait) {
  const isReact = globalThis.navigator?.product === "ReactNative";
  const { debug, heartbeat, ...options } = client.options;
  const { outgoing, incoming } = heartbeat === false ? { outgoing: 0, incoming: 0 } : { ...BEATS, ...heartbeat };
  let error;
  const all = { binary: isReact, addNull: isReact, ...options, outgoing, incoming, headers };
  const own = new Connection(
    socket,
    () => all,
    {
      session: () => all,
      every: options.every,
      debug: debug && ((make) => debug(make())),
      beat: () => client.emit("beat"),
      error: (event) => (error ??= event.error ?? (event.message && new Error(event.message))),
      silent: (ms) => (error = new StompError("lost", `the server was silent for ${ms} ms`)),
      frame: (event) => {
        if (event.kind === Kind.CONNECTED) {
          client.connected(own, event);
          wait.resolve();
        } else if (event.kind === Kind.ERROR || event.kind === Kind.FAILURE) {
          const wasConnected = own === client.connection;
          error = errorOf(event, wasConnected);
          wait.reject(error);
          wasConnected && client.refused(error, event);
          // Nothing more comes: what is published from now on is for the next connection.
          own.discard();
        } else {
          client.take(own, event);
        }
      },
      closed: (event) => {
        const text = `the connection ${own === client.connection ? "is lost" : "can't be made"}`;
        const why = error?.message || event?.reason;
        const failure =
          error instanceof StompError
            ? error
            : new StompError("lost", why ? `${text}: ${why}` : text, { cause: error, event });
        wait.reject(failure);
        if (own === client.connection || own === client.leaving) {
          client.lost(failure);
        }
      },
    },
  );
  return own;
}
