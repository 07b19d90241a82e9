// Looks after a broker by the dashboard, as an operator does.

import assert from "node:assert/strict";
import { mkdir, readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { after, before, describe, it } from "node:test";
import { launch, skipBrowser } from "../../npm/test/browser/chromium.mjs";
import { skip, startServer } from "../../npm/test/server.mjs";

const { connect } = await import(skip ? "node:net" : "../../npm/dist/node/node.mjs");
const axe = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const shots = new URL("screenshots/", import.meta.url);
const shot = (page, name) => page.screenshot({ path: new URL(`${name}.png`, shots).pathname });

describe("the dashboard in Chromium", { skip: skip || skipBrowser, timeout: 180_000 }, () => {
  let server;
  let browser;
  let client;
  const errors = [];

  async function open(hash = "", options) {
    const page = await browser.newPage(options);
    page.on("pageerror", (error) => errors.push(String(error)));
    // Chromium itself tells of each answer that is a refusal.
    page.on("console", (message) => {
      message.type() === "error" && !/status of 40[04]/.test(message.text()) && errors.push(message.text());
    });
    await page.goto(`${server.admin}${hash}`);
    return page;
  }

  /** What WCAG finds wrong. */
  async function accessible(page) {
    await page.evaluate(axe);
    const { violations } = await page.evaluate(() => axe.run({ runOnly: ["wcag2a", "wcag2aa", "wcag21aa", "wcag22aa"] }));
    assert.deepEqual(violations.map(({ id, nodes }) => [id, nodes.map(({ html }) => html)]), []);
  }

  const row = (page, name) => page.getByRole("row").filter({ has: page.getByRole("button", { name, exact: true }) });
  const enter = (page, name) => page.getByRole("button", { name, exact: true }).click();
  const inDialog = (page, title) => page.getByRole("dialog", { name: title });

  before(async () => {
    await mkdir(shots, { recursive: true });
    server = await startServer("--admin", "127.0.0.1:0");
    browser = await launch();
    client = await connect(server.ws);
    for (const id of [1, 2, 3]) await client.publish("/queue/orders", JSON.stringify({ id }), { receipt: true });
  });
  after(async () => {
    await client?.close();
    await browser?.close();
    await server?.stop();
  });

  it("shows all in one look", async () => {
    const page = await open();
    await page.getByText(/^up \d+ s, as of/).waitFor();
    const waiting = page.locator(".card", { hasText: "Messages waiting" }).locator(".big");
    await page.waitForFunction(() => document.querySelectorAll(".card").length === 6);
    assert.equal(await waiting.textContent(), "3");
    assert.match(await page.locator(".facts").first().innerText(), /Transports\s+ws: 1/);
    await client.publish("/queue/orders", "4", { receipt: true });
    // By itself, within the next look.
    await page.locator(".card", { hasText: "Messages waiting" }).getByText("4", { exact: true }).waitFor();
    await accessible(page);
    await shot(page, "dashboard");
    await page.setViewportSize({ width: 320, height: 900 });
    assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), 320);
    await page.getByRole("button", { name: "Pause" }).click();
    assert.equal(await page.getByRole("button", { name: "Resume" }).getAttribute("aria-pressed"), "true");
    await page.close();
  });

  it("shows messages as text, publishes, moves, purges and deletes", async () => {
    await client.publish("/queue/evil", "<img src=x onerror=alert(1)>", { headers: { "<b>x": "<i>y" }, receipt: true });
    const page = await open("#destinations", { colorScheme: "dark" });
    await enter(page, "/queue/evil");
    await enter(page, "Show messages");
    await page.getByText("<img src=x onerror=alert(1)>").waitFor();
    assert.equal(await page.locator("dialog img, dialog b, dialog i").count(), 0);
    await accessible(page);
    await shot(page, "dashboard-messages");
    await enter(page, "Delete …");
    await inDialog(page, "Delete /queue/evil?").getByRole("button", { name: "Delete" }).click();
    await page.getByText("It is gone.").waitFor();
    await page.keyboard.press("Escape");
    await row(page, "/queue/evil").waitFor({ state: "detached" });

    await enter(page, "/queue/orders");
    await enter(page, "Move …");
    await page.getByLabel("To", { exact: true }).fill("/queue/audit");
    await page.getByLabel("Only what a selector takes").fill("nonsense ===");
    await enter(page, "Move");
    await inDialog(page, "Move from /queue/orders").getByText(/selector/i).last().waitFor();
    await page.getByLabel("Only what a selector takes").fill("");
    await enter(page, "Move");
    await page.getByText("4 moved.").waitFor();
    await page.keyboard.press("Escape");
    await page.keyboard.press("Escape");
    await enter(page, "Publish …");
    await inDialog(page, "Publish").getByLabel("Destination").fill("/queue/audit");
    await page.getByLabel("Headers").fill("x-by:dashboard");
    await page.getByLabel("Body").fill("Hello");
    await inDialog(page, "Publish").getByRole("button", { name: "Publish", exact: true }).click();
    await page.getByText(/^Published as /).waitFor();
    await page.keyboard.press("Escape");
    const depth = row(page, "/queue/audit").getByRole("cell").nth(2);
    await page.getByLabel("Filter").fill("audit");
    await row(page, "/queue/orders").waitFor({ state: "detached" });
    assert.equal(await depth.textContent(), "5");
    await enter(page, "/queue/audit");
    await enter(page, "Purge …");
    await inDialog(page, "Purge /queue/audit?").getByRole("button", { name: "Purge" }).click();
    await page.getByText("5 purged.").waitFor();
    await page.close();
  });

  it("opens what a link names", async () => {
    await client.publish("/queue/a b", "x", { receipt: true });
    const page = await open(`#destinations/${encodeURIComponent("/queue/a b")}`);
    await inDialog(page, "/queue/a b").waitFor();
    await page.close();
    const none = await open(`#destinations/${encodeURIComponent("/queue/none")}`);
    await none.getByRole("alert").getByText(/\/queue\/none/).waitFor();
    await none.close();
  });

  it("replays dead letters", async () => {
    const subscription = client.subscribe("/queue/fails", { ack: "client-individual" });
    await client.publish("/queue/fails", "poison", { receipt: true });
    for await (const message of subscription) {
      message.nack({ requeue: "false" });
      break;
    }
    const page = await open("#dead-letters");
    await enter(page, "/queue/DLQ.fails");
    await enter(page, "Replay …");
    await inDialog(page, "Replay /queue/DLQ.fails?").getByRole("button", { name: "Replay" }).click();
    await page.getByText("1 replayed, 0 skipped.").waitFor();
    await page.close();
  });

  it("shows who is here, and sends them away", async () => {
    const other = await connect(server.ws, { login: "ben", attempts: 1, headers: { "client-id": "phone" } });
    other.subscribe("/topic/news", { id: "n" });
    const page = await open("#connections");
    await page.getByLabel("Filter").fill("phone");
    const one = page.getByRole("row").filter({ hasText: "phone" });
    await one.waitFor();
    await accessible(page);
    await shot(page, "dashboard-connections");
    await one.getByRole("button").click();
    await page.getByText("/topic/news").waitFor();
    await enter(page, "Disconnect …");
    await page.getByRole("button", { name: "Disconnect", exact: true }).click();
    await page.getByText("It is disconnected.").waitFor();
    await other.close();
    await page.close();
  });

  it("tells of what happens", async () => {
    const page = await open("#events");
    await page.getByText("Nothing has happened").waitFor();
    const other = await connect(server.ws);
    await page.getByRole("cell", { name: "connected", exact: true }).waitFor();
    await page.getByLabel("Kind").selectOption("errors and refusals");
    await page.getByRole("cell", { name: "connected", exact: true }).waitFor({ state: "detached" });
    await other.close();
    const download = page.waitForEvent("download");
    await enter(page, "Export");
    assert.equal((await download).suggestedFilename(), "events.ndjson");
    await page.close();
  });

  it("is used by the keyboard alone", async () => {
    const page = await open();
    await page.getByRole("link", { name: "Destinations" }).focus();
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { name: "Destinations", level: 1 }).waitFor();
    await row(page, "/queue/fails").waitFor();
    while (!(await page.evaluate(() => document.activeElement.matches("button.link")))) await page.keyboard.press("Tab");
    await page.keyboard.press("Enter");
    await page.locator("dialog[open]").waitFor();
    await page.keyboard.press("Escape");
    await page.locator("dialog").waitFor({ state: "detached" });
    assert.equal(await page.evaluate(() => document.activeElement.matches("button.link")), true);
    await page.close();
  });

  it("shows each role what it may do, and is nowhere but on the admin listener", async () => {
    const own = await startServer("--admin", "127.0.0.1:0", "--config", new URL("roles.toml", import.meta.url).pathname);
    try {
      const anonymous = await fetch(`${own.admin}api/v1/me`);
      assert.equal(anonymous.status, 401);
      const httpCredentials = { username: "vera", password: "look" };
      const page = await browser.newPage({ httpCredentials });
      await page.goto(`${own.admin}#destinations`);
      await page.getByText("There are none.").waitFor();
      assert.equal(await page.getByRole("button", { name: "Publish …" }).count(), 0);
      await page.close();
      assert.equal((await fetch(`${own.http}admin/`)).status, 404);
      assert.equal((await fetch(`${own.http}admin/main.js`)).status, 404);
    } finally {
      await own.stop();
    }
  });

  it("shows the brokers behind a gateway", async () => {
    const upstream = `stomp://${server.stomp.host}`;
    const own = await startServer("--admin", "127.0.0.1:0", "--upstream", upstream, "--mode", "pooled");
    const behind = await connect(own.ws);
    try {
      behind.subscribe("/topic/shared");
      const page = await browser.newPage();
      await page.goto(own.admin);
      await page.getByRole("link", { name: "Gateway" }).click();
      const broker = page.getByRole("row").filter({ hasText: server.stomp.host });
      await broker.getByRole("cell", { name: "up", exact: true }).waitFor();
      await page.locator(".facts").getByText("1", { exact: true }).waitFor();
      await accessible(page);
      await shot(page, "dashboard-gateway");
      await page.close();
    } finally {
      await behind.close();
      await own.stop();
    }
  });

  it("causes no errors", () => assert.deepEqual(errors, []));

  it("says that the server is gone", async () => {
    const page = await open();
    await page.getByText(/^up /).waitFor();
    await server.kill();
    await page.getByRole("alert").getByText("The server does not answer.").waitFor();
    await page.close();
  });
});
