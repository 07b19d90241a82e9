// Starts a browser on a page, by its own command line or WebDriver. CHROME, FIREFOX and WEBKIT_DRIVER
// are paths; what is not named is left out.

import { spawn } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

const { CHROME, FIREFOX, WEBKIT_DRIVER } = process.env;

/** How long a program has to end by itself, in ms. */
const END_LIMIT = 5000;

/** Starts a program with a folder of its own; `stop` ends it, and the folder. */
async function start(file, args, env = {}) {
  const folder = await mkdtemp(join(tmpdir(), "stompbox-browser-"));
  const child = spawn(file, args(folder), {
    stdio: ["ignore", "ignore", "ignore"],
    env: { ...process.env, HOME: folder, ...env },
    // A browser is many processes: they are ended together.
    detached: true,
  });
  const ended = new Promise((resolve) => {
    child.once("exit", resolve);
    child.once("error", resolve);
  });
  return {
    folder,
    ended,
    async stop() {
      const signal = (name) => {
        try {
          process.kill(-child.pid, name);
        } catch {
          // It has ended.
        }
      };
      signal("SIGTERM");
      const limit = setTimeout(() => signal("SIGKILL"), END_LIMIT);
      await ended;
      clearTimeout(limit);
      signal("SIGKILL");
      await rm(folder, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

async function chromium(url) {
  const flags = ["--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-sync"];
  return start(CHROME, (folder) => [...flags, `--user-data-dir=${folder}/profile`, url]);
}

async function firefox(url) {
  const profile = await mkdtemp(join(tmpdir(), "stompbox-firefox-"));
  const settings = {
    "browser.shell.checkDefaultBrowser": false,
    "datareporting.policy.dataSubmissionEnabled": false,
    "toolkit.telemetry.reportingpolicy.firstRun": false,
    "browser.aboutwelcome.enabled": false,
    "app.update.enabled": false,
  };
  const lines = Object.entries(settings).map(
    ([name, value]) => `user_pref(${JSON.stringify(name)}, ${JSON.stringify(value)});`,
  );
  await writeFile(join(profile, "user.js"), lines.join("\n"));
  const browser = await start(FIREFOX, () => ["--headless", "--no-remote", "--profile", profile, url]);
  return {
    ...browser,
    async stop() {
      await browser.stop();
      await rm(profile, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

const freePort = () =>
  new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });

/** A virtual display, if there is none: WebKitGTK has no mode without. */
async function display() {
  if (process.env.DISPLAY || process.env.WAYLAND_DISPLAY) return { env: {}, stop() {} };
  for (let number = 90; number < 100; number++) {
    const server = await start("Xvfb", () => [`:${number}`, "-screen", "0", "1024x768x24", "-nolisten", "tcp"]);
    const outcome = await Promise.race([
      server.ended.then(() => "ended"),
      new Promise((resolve) => setTimeout(resolve, 700, "runs")),
    ]);
    if (outcome === "runs") return { env: { DISPLAY: `:${number}` }, stop: server.stop };
    await server.stop();
  }
  throw new Error("Xvfb does not start; apt-get install xvfb, or set DISPLAY");
}

async function webkit(url) {
  const screen = await display();
  const port = await freePort();
  const driver = await start(WEBKIT_DRIVER, () => [`--port=${port}`], screen.env);
  const stop = async () => {
    await driver.stop();
    await screen.stop();
  };
  const ask = async (path, body) => {
    const response = await fetch(`http://127.0.0.1:${port}${path}`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
    });
    const { value } = await response.json();
    if (!response.ok) throw new Error(`WebKitWebDriver: ${JSON.stringify(value)}`);
    return value;
  };
  try {
    let session;
    for (let attempt = 0; ; attempt++) {
      try {
        session = await ask("/session", { capabilities: { alwaysMatch: {} } });
        break;
      } catch (error) {
        // Until it listens.
        if (!(error instanceof TypeError) || attempt === 50) throw error;
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
    }
    await ask(`/session/${session.sessionId}/url`, { url });
    return { ...driver, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Each browser's name, how it is started, and why it is left out, or false. */
export const browsers = [
  { name: "Chromium", open: chromium, skip: CHROME ? false : "CHROME names no Chromium" },
  { name: "Firefox", open: firefox, skip: FIREFOX ? false : "FIREFOX names no Firefox" },
  { name: "WebKit", open: webkit, skip: WEBKIT_DRIVER ? false : "WEBKIT_DRIVER names no WebKitWebDriver" },
];
