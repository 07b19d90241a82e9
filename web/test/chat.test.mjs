// Clicks through the pages, with a second page and somebody who types STOMP into telnet.

import assert from "node:assert/strict";
import { mkdir } from "node:fs/promises";
import net from "node:net";
import { after, before, describe, it } from "node:test";
import { launch, skipBrowser } from "../../npm/test/browser/chromium.mjs";
import { skip, startServer } from "../../npm/test/server.mjs";

const shots = new URL("screenshots/", import.meta.url);
const shot = (page, name) => page.screenshot({ path: new URL(`${name}.png`, shots).pathname });

/** What the manual page types, with the line ends of the terminal. */
const typed = (text, eol) => text.replaceAll("\n", eol).replaceAll("^@", "\0");
const CONNECT = "CONNECT\nlogin:guest\npasscode:guest\n\n^@\n";
const SEND = "SEND\ndestination:/queue/test\n\nHello from TCP!\n^@\n";

function telnet(server, eol) {
  return new Promise((resolve, reject) => {
    const socket = net.connect(server.port, server.host, () => socket.write(typed(CONNECT, eol)));
    socket.on("error", reject);
    socket.once("data", (data) => {
      assert.match(String(data), /^CONNECTED\n/);
      socket.write(typed(SEND, eol));
      resolve(socket);
    });
  });
}

describe("the pages in Chromium", { skip: skip || skipBrowser, timeout: 180_000 }, () => {
  let server;
  let browser;
  const errors = [];

  async function open(path, options) {
    const page = await browser.newPage(options);
    page.on("pageerror", (error) => errors.push(String(error)));
    page.on("console", (message) => message.type() === "error" && errors.push(message.text()));
    await page.goto(server.http.replace(/\/$/, "") + path);
    return page;
  }

  async function join(name, destination, options) {
    const page = await open("/chat/", options);
    await page.getByLabel("Your name").fill(name);
    await page.getByLabel("Passcode").fill("s3cret");
    await page.getByLabel("Destination").fill(destination);
    await page.getByRole("button", { name: "Connect", exact: true }).click();
    await page.getByText("connected, STOMP 1.1").waitFor();
    return page;
  }

  const say = async (page, text) => {
    await page.getByPlaceholder("Write a message").fill(text);
    await page.keyboard.press("Enter");
  };
  const heard = (page, text) => page.locator("#messages li", { hasText: text }).waitFor();

  before(async () => {
    await mkdir(shots, { recursive: true });
    server = await startServer();
    browser = await launch();
  });
  after(async () => {
    await browser?.close();
    await server?.stop();
  });

  it("the landing page shows where it listens", async () => {
    const page = await open("/");
    await page.getByText("running, takes connections").waitFor();
    assert.equal(await page.locator("#ws").textContent(), server.ws);
    await shot(page, "landing");
    await page.setViewportSize({ width: 320, height: 800 });
    assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), 320);
    await shot(page, "landing-narrow");
    await page.getByRole("link", { name: "Open the chat" }).click();
    await page.getByRole("button", { name: "Connect", exact: true }).waitFor();
    await page.close();
  });

  it("a page hears what is typed into telnet, with either end of line", async () => {
    const page = await join("Ann", "/queue/test");
    for (const [count, eol] of [
      [1, "\n"],
      [2, "\r\n"],
    ]) {
      const socket = await telnet(server, eol);
      await page.locator("#messages li", { hasText: "Hello from TCP!" }).nth(count - 1).waitFor();
      socket.destroy();
    }
    const frames = await page.locator("#frames").innerText();
    assert.match(frames, />>> CONNECT\n/);
    assert.match(frames, /<<< MESSAGE\n/);
    assert.ok(!frames.includes("s3cret"));
    await shot(page, "telnet");
    await page.close();
  });

  it("a queue's messages go to two pages in turn", async () => {
    const ann = await join("Ann", "/queue/pair");
    const ben = await join("Ben", "/queue/pair");
    for (const text of ["one", "two", "three", "four"]) await say(ann, text);
    await ann.waitForFunction(() => document.querySelectorAll("#messages li").length === 2);
    await ben.waitForFunction(() => document.querySelectorAll("#messages li").length === 2);
    await ann.close();
    await ben.close();
  });

  it("a topic's message goes to all, and is shown as text", async () => {
    const ann = await join("Ann", "/topic/room");
    const ben = await join("Ben", "/topic/room", { colorScheme: "dark" });
    await say(ann, "Hello, Ben");
    await heard(ann, "Hello, Ben");
    await heard(ben, "Hello, Ben");
    await say(ben, "<img src=x onerror=alert(1)> & Grüße 🦀");
    await heard(ann, "<img src=x onerror=alert(1)> & Grüße 🦀");
    assert.equal(await ann.locator("#messages img").count(), 0);
    assert.equal(await ann.locator("#messages li.mine").count(), 1);
    await shot(ann, "chat");
    await shot(ben, "chat-dark");
    await ann.setViewportSize({ width: 320, height: 800 });
    assert.equal(await ann.evaluate(() => document.documentElement.scrollWidth), 320);
    await shot(ann, "chat-narrow");
    assert.match(await ann.locator("#frames .out").first().textContent(), /^>>> CONNECT\n/);
    // Who has scrolled up to read stays there.
    for (let at = 0; at < 30; at++) await say(ben, `line ${at}`);
    await heard(ann, "line 29");
    const top = () => ann.locator("#messages").evaluate((list) => list.scrollTop);
    assert.ok((await top()) > 0);
    await ann.locator("#messages").evaluate((list) => (list.scrollTop = 0));
    await say(ben, "one more");
    await heard(ann, "one more");
    assert.equal(await top(), 0);
    await ann.getByRole("button", { name: "Disconnect" }).click();
    await ann.getByText("disconnected").waitFor();
    await ann.getByRole("button", { name: "Connect", exact: true }).click();
    await ann.getByText("connected, STOMP 1.1").waitFor();
    await ann.close();
    await ben.close();
  });

  it("a refused destination is explained", async () => {
    const page = await open("/chat/");
    await page.getByLabel("Destination").fill("/nowhere");
    await page.getByRole("button", { name: "Connect", exact: true }).click();
    await page.locator("#state", { hasText: "begins with none of /queue/" }).waitFor();
    await page.close();
  });

  it("the pages cause no errors", () => assert.deepEqual(errors, []));

  it("a page says that the server is gone", async () => {
    const page = await join("Ann", "/topic/last");
    await server.kill();
    await page.getByText("connection lost").waitFor();
    await page.getByRole("button", { name: "Connect", exact: true }).waitFor();
    await shot(page, "lost");
    await page.close();
  });
});
