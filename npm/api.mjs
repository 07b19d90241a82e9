// Writes docs/javascript/api.md from the types: `node api.mjs`; the tests look whether it is current.

import { readdir, readFile, writeFile } from "node:fs/promises";
import ts from "typescript";

const types = new URL("types/", import.meta.url);
export const path = new URL("../docs/javascript/api.md", import.meta.url);

const INTRODUCTION = `# The JavaScript library: reference

Made from the types by \`node api.mjs\` in \`npm/\`; [the guide](guide.md) tells how to use them. What begins
with \`?\` may be left out; times are in milliseconds.
`;

/** The comment before a node, as running text. */
function comment(source, node) {
  const [range] = (ts.getLeadingCommentRanges(source.text, node.pos) ?? []).slice(-1);
  const text = range ? source.text.slice(range.pos, range.end) : "";
  return text.startsWith("/**")
    ? text.replace(/^\/\*\*|\*\/$/g, "").replace(/^\s*\* /gm, "").split(/\s+/).filter(Boolean).join(" ")
    : "";
}

/** A declaration in one line. */
const line = (source, node) =>
  node
    .getText(source)
    .replace(/\/\*[^]*?\*\//g, "")
    .replace(/^(export |declare )+/, "")
    .replace(/\s+/g, " ")
    .replace(/([(<]) | (?=[)>])/g, "$1")
    .replace(/,(?=[)>])|;$/g, "");

function declaration(source, node) {
  const name = node.name?.getText(source) ?? node.declarationList.declarations[0].name.getText(source);
  const text = [`### \`${name}\``, comment(source, node)];
  if (node.members) {
    const parents = node.heritageClauses?.map((clause) => clause.getText(source)).join(" ");
    parents && text.push(`\`${parents}\``);
    const members = node.members.map((member) => {
      const said = comment(source, member);
      return `- \`${line(source, member)}\`${said && `: ${said}`}`;
    });
    text.push(members.join("\n"));
  } else {
    text.push(`\`\`\`ts\n${line(source, node)}\n\`\`\``);
  }
  return text.filter(Boolean).join("\n\n");
}

/** The reference's text. */
export async function reference() {
  const parts = [INTRODUCTION];
  const files = (await readdir(types)).filter((name) => name.endsWith(".d.mts")).sort();
  for (const name of files) {
    const text = await readFile(new URL(name, types), "utf8");
    const source = ts.createSourceFile(name, text, ts.ScriptTarget.Latest, true);
    const nodes = source.statements.filter(
      (node) => ![ts.isImportDeclaration, ts.isExportDeclaration, ts.isExportAssignment].some((is) => is(node)),
    );
    if (nodes.length) {
      parts.push(`## ${name.replace(".d.mts", "")}\n`, ...nodes.map((node) => `${declaration(source, node)}\n`));
    }
  }
  return parts.join("\n");
}

if (process.argv[1] === new URL(import.meta.url).pathname) {
  await writeFile(path, await reference());
}
