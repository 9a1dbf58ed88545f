/** What the package exports, held against what `deno doc` sees in the sources: no name lost, none too many, no comment left behind. */
import { PROJECT } from "../npm_metadata.ts";
import type { NpmProject } from "./project.ts";
import { assertSame } from "./same.ts";
import { run } from "./shell.ts";

interface Documented {
  readonly jsDoc?: { readonly doc?: string };
}

interface Member extends Documented {
  readonly name: string;
  readonly accessibility?: string;
}

interface Declaration extends Documented {
  readonly kind: string;
  readonly def?: { readonly properties?: readonly Member[]; readonly methods?: readonly Member[] };
}

interface DocSymbol {
  readonly name: string;
  readonly declarations: readonly Declaration[];
}

const VALUES: readonly string[] = ["class", "enum", "function", "variable"];

/** Fails unless each subpath, loaded by Node, has exactly the values of its source. */
export async function checkValues(project: NpmProject): Promise<void> {
  for (const [subpath, source] of Object.entries(PROJECT.exports)) {
    const specifier = PROJECT.name + subpath.slice(1);
    const program = `console.log(JSON.stringify(Object.keys(await import(${JSON.stringify(specifier)}))))`;
    const { stdout } = await project.script(["--input-type=module", "--eval", program]);
    const symbols = await symbolsOf(source);
    const values = symbols.filter(({ declarations }) => declarations.some(({ kind }) => VALUES.includes(kind)));
    assertSame(JSON.parse(stdout).sort(), values.map(({ name }) => name).sort(), `the values of ${specifier}`);
  }
}

/** Fails unless the declarations have each symbol of the sources, types too, with its comment and those of its members. */
export async function checkDeclarations(project: NpmProject): Promise<void> {
  const { stdout } = await project.script(["symbols.js", ...Object.keys(PROJECT.exports)]);
  const declared: Record<string, Record<string, { isDocumented: boolean; members: string[] }>> = JSON.parse(stdout);
  for (const [subpath, source] of Object.entries(PROJECT.exports)) {
    const symbols = await symbolsOf(source);
    const found = declared[subpath] ?? {};
    assertSame(Object.keys(found).sort(), symbols.map(({ name }) => name).sort(), `the symbols declared by ${subpath}`);
    for (const symbol of symbols) {
      const { isDocumented, members = [] } = found[symbol.name] ?? {};
      if (symbol.declarations.some(hasComment)) assertSame(isDocumented, true, `whether ${symbol.name} kept its comment`);
      const lost = documentedMembers(symbol).filter((name) => !members.includes(name));
      assertSame(lost, [], `members of ${symbol.name} that lost their comment`);
    }
  }
}

async function symbolsOf(source: string): Promise<DocSymbol[]> {
  const { stdout } = await run(Deno.execPath(), ["doc", "--json", source]);
  const { nodes }: { nodes: Record<string, { symbols: DocSymbol[] }> } = JSON.parse(stdout);
  return Object.values(nodes).flatMap(({ symbols }) => symbols);
}

function hasComment({ jsDoc }: Documented): boolean {
  return jsDoc?.doc !== undefined;
}

/** Those with a plain name: compilers write a member named by a symbol in ways of their own. */
function documentedMembers({ declarations }: DocSymbol): string[] {
  const members = declarations.flatMap(({ def }) => [...def?.properties ?? [], ...def?.methods ?? []]);
  return members.filter((member) => hasComment(member) && member.accessibility !== "private" && !member.name.startsWith("[")).map(({ name }) => name);
}
