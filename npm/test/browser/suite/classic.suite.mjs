// The calls of stomp.js, end to end.

import { Stomp } from "/dist/esm/browser.mjs";

export const suite = "classic";

const connect = (url, library = Stomp) =>
  new Promise((resolve, reject) => {
    const client = library.client(url);
    client.debug = null;
    client.connect("guest", "guest", () => resolve(client), reject);
  });

const close = (client) => new Promise((resolve) => client.disconnect(resolve));

/** What comes back of a body that is sent to a queue of its own. */
const echo = (client, body, headers) =>
  new Promise((resolve) => {
    const queue = `/queue/suite-${Math.random()}`;
    const { unsubscribe } = client.subscribe(queue, (message) => {
      unsubscribe();
      resolve(message);
    });
    client.send(queue, headers, body);
  });

const inWorker = (worker, url) =>
  new Promise((resolve, reject) => {
    worker.onmessage = ({ data }) => resolve(data);
    worker.onerror = (event) => reject(new Error(event.message ?? "the worker failed"));
    worker.postMessage(url);
  }).finally(() => worker.terminate());

export const tests = {
  async "text comes as it was sent, with its headers"({ broker, equal }) {
    const client = await connect(broker);
    for (const body of ["", "plain", "h\u00e4llo \ud83e\udd80", "a\0b\0", "\ufeffx"]) {
      const message = await echo(client, body, { "x:y\n": "C:\\new\n\u00e9" });
      equal(message.body, body);
      equal(message.headers["x:y\n"], "C:\\new\n\u00e9");
    }
    await close(client);
  },

  async "bytes come as they were sent"({ broker, equal }) {
    const client = await connect(broker);
    const bytes = Uint8Array.from({ length: 1000 }, (_, at) => at % 256);
    const message = await echo(client, bytes);
    equal([...message.binaryBody], [...bytes]);
    await close(client);
  },

  async "a mebibyte of text and of bytes"({ broker, equal }) {
    const client = await connect(broker);
    const text = "0123456789abcd\u00e9".repeat(1 << 16);
    equal((await echo(client, text)).body === text, true, "text");
    const bytes = new Uint8Array(1 << 20).map((_, at) => (at * 31) >> 3);
    const { binaryBody } = await echo(client, bytes);
    equal(binaryBody.length, bytes.length);
    equal(binaryBody.every((octet, at) => octet === bytes[at]), true, "bytes");
    await close(client);
  },

  async "a thousand messages keep their order"({ broker, equal, until }) {
    const client = await connect(broker);
    const seen = [];
    client.subscribe("/topic/order", ({ body }) => seen.push(Number(body)), { receipt: "ready" });
    await new Promise((resolve) => (client.onreceipt = resolve));
    for (let at = 0; at < 1000; at++) client.send("/topic/order", {}, String(at));
    await until(() => seen.length === 1000);
    equal(seen.every((body, at) => body === at), true);
    await close(client);
  },

  async "a script tag sets Stomp, and nothing before"({ broker, equal }) {
    for (const file of ["stomp.js", "stomp.min.js", "stomp.csp.js", "stomp.csp.min.js"]) {
      equal(typeof globalThis.Stomp, "undefined");
      await new Promise((resolve, reject) => {
        const script = Object.assign(document.createElement("script"), { src: `/dist/${file}` });
        script.onload = resolve;
        script.onerror = () => reject(new Error(file));
        document.head.append(script);
      });
      const client = await connect(broker, globalThis.Stomp);
      equal((await echo(client, "h\u00e4llo")).body, "h\u00e4llo", file);
      await close(client);
      delete globalThis.Stomp;
    }
  },

  async "a module worker and a classic worker"({ broker, equal }) {
    equal(await inWorker(new Worker("/suite/worker.mjs", { type: "module" }), broker), "h\u00e4llo");
    equal(await inWorker(new Worker("/suite/classic-worker.js"), broker), "h\u00e4llo");
  },

  async "a page that forbids WebAssembly: a word of advice, and the csp build"({ equal }) {
    const frame = Object.assign(document.createElement("iframe"), { src: "/strict" });
    const told = new Promise((resolve) => {
      addEventListener("message", ({ data }) => resolve(data), { once: true });
    });
    document.body.append(frame);
    const { refused, body } = await told;
    frame.remove();
    equal(/stompbox\/csp.*wasm-unsafe-eval/.test(refused), true, refused);
    equal(body, "h\u00e4llo\0");
  },

  async "a broker that is killed is noticed, and found again"({ broker, kill, restart, equal }) {
    const client = Stomp.client(broker);
    client.debug = null;
    await new Promise((resolve, reject) => client.connect("guest", "guest", resolve, reject));
    const lost = new Promise((resolve) => (client.errorCallback = resolve));
    await kill();
    equal(/^Whoops! Lost connection to ws:/.test(await lost), true);
    equal(client.connected, false);
    // Nobody is there.
    const refused = await new Promise((resolve, reject) => client.connect("guest", "guest", reject, resolve));
    equal(/^Whoops!/.test(refused), true);
    await restart();
    await new Promise((resolve, reject) => client.connect("guest", "guest", resolve, reject));
    equal((await echo(client, "again")).body, "again");
    await close(client);
  },
};
