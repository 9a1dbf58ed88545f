/**
 * A plugin of `deno lint` that keeps the house standing: imports point down, a `mod.ts` only lists, `wire/` is pure, no function is written where a
 * property is set, and a runtime is named in `transport/` and nowhere else. ARCHITECTURE.md draws the layers.
 */

/** The layers, from the ground up. Those of one row do not know each other. */
const LAYERS: readonly (readonly RegExp[])[] = [
  [/^src\/(errors\.ts|wire\/)/],
  [/^src\/sasl\//, /^src\/transport\//, /^src\/extensions\//],
  [/^src\/session\//, /^src\/proxy\//],
  [/^src\/(call|options)\.ts$/],
  [/^src\/(body|chunks|envelope|message|open_session)\.ts$/],
  [/^src\/connection\.ts$/],
  [/^src\/(asked|authenticate|exchange|transaction|turns)\.ts$/],
  [/^src\/(outcome|send_all|window)\.ts$/],
  [/^src\/(client|connect)\.ts$/],
  [/^src\/pool(\/|\.ts$)/],
  [/^mod\.ts$/],
];

const RUNTIMES: readonly string[] = ["Deno", "Bun", "process", "Buffer", "caches"];

/** What is wrong with `file` importing `target`, both relative to the project; `undefined` when nothing is. */
export function layerFault(file: string, target: string): string | undefined {
  const from = placeOf(file);
  const to = placeOf(target);
  if (from === undefined) return undefined;
  if (to === undefined) return `${file} may import the layers of src/ and nothing else, not ${target}`;
  const isBeside = to.row === from.row && to.column === from.column;
  return to.row < from.row || isBeside ? undefined : `imports point down: ${file} stands below or beside ${target}`;
}

function placeOf(file: string): { readonly row: number; readonly column: number } | undefined {
  for (const [row, layer] of LAYERS.entries()) {
    const column = layer.findIndex((pattern) => pattern.test(file));
    if (column >= 0) return { row, column };
  }
  return undefined;
}

/** The path of `filename` inside the project, or `undefined` where it is not one that the rules are about. */
function inProject(filename: string): string | undefined {
  const root = new URL("../", import.meta.url).pathname;
  const path = filename.replaceAll("\\", "/");
  return path.startsWith(root) && /^(src\/|mod\.ts$)/.test(path.slice(root.length)) ? path.slice(root.length) : undefined;
}

function resolved(file: string, specifier: string): string {
  return specifier.startsWith(".") ? new URL(specifier, `file:///${file}`).pathname.slice(1) : specifier;
}

const plugin: Deno.lint.Plugin = {
  name: "posthorn",
  rules: {
    "layers": {
      create(context): Deno.lint.LintVisitor {
        const file = inProject(context.filename);
        if (file === undefined) return {};
        const check = (node: Deno.lint.Node, source: Deno.lint.Expression | null | undefined) => {
          if (source?.type !== "Literal" || typeof source.value !== "string") return;
          const message = layerFault(file, resolved(file, source.value));
          if (message !== undefined) context.report({ node, message });
        };
        return {
          ImportDeclaration: (node) => check(node, node.source),
          ExportNamedDeclaration: (node) => check(node, node.source),
          ExportAllDeclaration: (node) => check(node, node.source),
          ImportExpression: (node) => check(node, node.source),
        };
      },
    },
    "mod-only-lists": {
      create(context): Deno.lint.LintVisitor {
        if (!/(^|\/)mod\.ts$/.test(inProject(context.filename) ?? "")) return {};
        return {
          Program(node): void {
            for (const statement of node.body) {
              const isList = statement.type === "ExportNamedDeclaration" && statement.source !== null;
              if (!isList) context.report({ node: statement, message: "a mod.ts lists what is public and holds no code" });
            }
          },
        };
      },
    },
    "pure-wire": {
      create(context): Deno.lint.LintVisitor {
        const file = inProject(context.filename);
        if (file === undefined || !file.startsWith("src/wire/") || file.endsWith("_stream.ts")) return {};
        return { AwaitExpression: (node) => context.report({ node, message: "wire/ turns bytes into values: it waits for nothing" }) };
      },
    },
    // V8 takes such a function for one that stays and makes it old at once, and what it closes over is kept with it until all is collected. Made for
    // each message, that fills the old generation with messages and slows all down.
    "no-function-into-property": {
      create(context): Deno.lint.LintVisitor {
        if (inProject(context.filename) === undefined) return {};
        return {
          AssignmentExpression(node): void {
            const isFunction = node.right.type === "ArrowFunctionExpression" || node.right.type === "FunctionExpression";
            if (!isFunction || node.left.type !== "MemberExpression") return;
            context.report({ node, message: "give the function a name first: V8 keeps one that is written behind a property's = too long" });
          },
        };
      },
    },
    "runtimes-in-transport": {
      create(context): Deno.lint.LintVisitor {
        const file = inProject(context.filename);
        if (file === undefined || file.startsWith("src/transport/")) return {};
        return {
          Identifier(node): void {
            if (RUNTIMES.includes(node.name)) context.report({ node, message: `${node.name} is named in transport/ and nowhere else` });
          },
        };
      },
    },
  },
};

export default plugin;
