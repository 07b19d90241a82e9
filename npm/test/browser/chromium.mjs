// Starts the Chromium that CHROME names.

import { chromium } from "playwright-core";

const options = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

/** Why browser tests are skipped, or false. */
export const skipBrowser = process.env.CHROME ? false : "no Chromium: set CHROME to its path";

export const launch = () =>
  chromium.launch({ executablePath: process.env.CHROME, args: options, headless: true });
