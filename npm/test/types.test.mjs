// Our types in the place of those of @stomp/stompjs 7.5.

import assert from "node:assert/strict";
import { cp, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import ts from "typescript";

const here = new URL("./types/", import.meta.url).pathname;
const theirs = new URL("../node_modules/stompjs7/index.d.ts", import.meta.url).pathname;
const dist = new URL("../dist/", import.meta.url).pathname;

/** What the compiler says of a file with these modules. */
function errors(file, paths) {
  const options = {
    strict: true,
    noEmit: true,
    target: ts.ScriptTarget.ES2022,
    module: ts.ModuleKind.ESNext,
    moduleResolution: ts.ModuleResolutionKind.Bundler,
    skipLibCheck: true,
    types: [],
    lib: ["lib.es2022.d.ts", "lib.dom.d.ts"],
    paths: Object.fromEntries(Object.entries(paths).map(([name, path]) => [name, [path]])),
  };
  const program = ts.createProgram([join(here, file)], options);
  return ts
    .getPreEmitDiagnostics(program)
    .map(({ messageText, file, start }) => {
      const at = file ? `${file.fileName}:${file.getLineAndCharacterOfPosition(start).line + 1}: ` : "";
      return at + ts.flattenDiagnosticMessageText(messageText, "\n");
    });
}

describe("types", () => {
  for (const [name, path] of [
    ["@stomp/stompjs", theirs],
    ["stompbox", `${dist}stompbox.d.mts`],
    ["stompbox for require", `${dist}stompbox.d.cts`],
    ["stompbox/client", `${dist}client.d.mts`],
  ]) {
    it(`serve a program on @stomp/stompjs: those of ${name}`, () => {
      assert.deepEqual(errors("program.ts", { "@stomp/stompjs": path }), []);
    });
  }

  describe("fit in the place of theirs, and theirs of ours", () => {
    let folder;
    before(async () => {
      folder = await mkdtemp(join(tmpdir(), "stompbox-types-"));
      const from = new URL("../node_modules/stompjs7/", import.meta.url).pathname;
      await cp(`${from}esm6`, `${folder}/esm6`, { recursive: true });
      // What is private makes a class differ from any other.
      for (const name of await readdir(`${folder}/esm6`, { recursive: true })) {
        if (name.endsWith(".d.ts")) {
          const text = await readFile(`${folder}/esm6/${name}`, "utf8");
          await writeFile(`${folder}/esm6/${name}`, text.replace(/^ *private .*$/gm, ""));
        }
      }
    });
    after(() => rm(folder, { recursive: true, force: true }));

    for (const name of ["stompbox.d.mts", "client.d.mts"]) {
      it(name, () => {
        const paths = { ours: `${dist}${name}`, theirs: `${folder}/esm6/index.d.ts` };
        assert.deepEqual(errors("same.ts", paths), []);
      });
    }
  });
});
