// The examples of the documents run, and print what is said; the reference is that of the types.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { promisify } from "node:util";
import ts from "typescript";
import { path, reference } from "../api.mjs";
import { skip, startServer } from "./server.mjs";

const run = promisify(execFile);
const GUIDES = ["guide.md", "from-stomp.js.md", "from-stompjs.md", "from-webstomp-client.md"];

it("has a reference that is current: `node api.mjs` writes it", async () => {
  assert.equal(await readFile(path, "utf8"), await reference());
});

describe("the examples", { skip }, () => {
  let server;
  let folder;
  before(async () => {
    server = await startServer("--sockjs");
    folder = await mkdtemp(join(tmpdir(), "stompbox-"));
  });
  after(async () => {
    await server?.kill();
    await rm(folder, { recursive: true });
  });

  it("agree with the types", async () => {
    const all = {};
    for (const guide of GUIDES) {
      const text = await readFile(new URL(`../../docs/javascript/${guide}`, import.meta.url), "utf8");
      for (const [at, [, code]] of [...text.matchAll(/```js\n([^]*?)```/g)].entries()) {
        all[join(folder, `${guide}-${at}.mts`)] = code;
      }
    }
    all[join(folder, "sockjs.d.mts")] = 'declare module "sockjs-client" { const SockJS: any; export default SockJS; }';
    for (const [file, code] of Object.entries(all)) await writeFile(file, code);
    const program = ts.createProgram(Object.keys(all), {
      noEmit: true,
      strict: true,
      // They are JavaScript.
      noImplicitAny: false,
      useUnknownInCatchVariables: false,
      target: ts.ScriptTarget.ES2022,
      module: ts.ModuleKind.Node16,
      moduleResolution: ts.ModuleResolutionKind.Node16,
      types: [],
      paths: { stompbox: [new URL("../types/stompbox.d.mts", import.meta.url).pathname] },
    });
    const faults = ts.getPreEmitDiagnostics(program).map(({ messageText, file, start }) => {
      const where = file && `${file.fileName}:${file.getLineAndCharacterOfPosition(start).line + 1}`;
      return `${where}: ${ts.flattenDiagnosticMessageText(messageText, "\n")}`;
    });
    assert.deepEqual(faults, []);
  });

  const here = (text) =>
    text
      .replaceAll("http://localhost:61614/sockjs", `http://localhost:${new URL(server.http).port}/sockjs`)
      .replaceAll("ws://localhost:61614/stomp", `ws://localhost:${new URL(server.ws).port}/stomp`)
      .replaceAll('"localhost", 61613', `"localhost", ${server.port}`)
      .replaceAll("stomp://localhost:61613", `stomp://localhost:${server.port}`)
      .replaceAll('"stompbox"', JSON.stringify(new URL("../dist/node/node.mjs", import.meta.url).href))
      .replaceAll('"sockjs-client"', JSON.stringify(import.meta.resolve("sockjs-client")));

  for (const guide of GUIDES) {
    it(`of ${guide} run and print what they say`, async () => {
      const text = await readFile(new URL(`../../docs/javascript/${guide}`, import.meta.url), "utf8");
      const examples = [...text.matchAll(/```js\n([^]*?)```\n\n```text\n([^]*?)```/g)];
      assert.equal(examples.length, text.split("```js\n").length - 1, "each says what it prints");
      for (const [at, [, code, printed]] of examples.entries()) {
        const file = join(folder, `${at}.mjs`);
        await writeFile(file, here(code));
        const { stdout, stderr } = await run(process.execPath, [file]);
        const trimmed = (lines) => lines.replace(/\s+$/, "");
        assert.equal(trimmed(stdout), trimmed(printed), `example ${at + 1}`);
        assert.equal(stderr, "");
      }
    });
  }
});
