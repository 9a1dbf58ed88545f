/**
 * What package.json says, whichever way the npm package is built: `build_npm.ts` and `pack_npm.ts` share it, and `check_npm.ts` holds the result
 * against it.
 */
import config from "../deno.json" with { type: "json" };

/** What the package takes from `deno.json`, the one place where its name, version and exports are written. */
export interface ProjectConfig {
  readonly name: string;
  readonly version: string;
  readonly license: string;
  /** Subpath to source: `{ ".": "./mod.ts" }`. */
  readonly exports: Readonly<Record<string, string>>;
}

/** What `package.json` says besides where its files are. */
export interface Metadata {
  readonly name: string;
  readonly version: string;
  readonly description: string;
  readonly keywords: readonly string[];
  readonly license: string;
  readonly type: "module";
  readonly engines: { readonly node: string };
  readonly sideEffects: false;
}

/** Where TypeScript and everything else find one subpath. */
export interface ExportTarget {
  readonly types: string;
  readonly default: string;
}

/** `deno.json`, as far as the package is concerned. */
export const PROJECT: ProjectConfig = config;

/** Files that are not code and belong in the package all the same. */
export const DOCUMENTS: readonly string[] = ["README.md", "LICENSE", "CHANGELOG.md"];

/** The head of package.json. What is not known (a repository, an author) is left out rather than invented. */
export function metadata({ name, version, license }: ProjectConfig): Metadata {
  return {
    name,
    version,
    description: "An SMTP client on Web Streams for Deno, Node, Bun and Cloudflare Workers: every verb of the protocol, and no dependency",
    keywords: [
      "smtp",
      "esmtp",
      "lmtp",
      "email",
      "mail",
      "submission",
      "starttls",
      "pipelining",
      "streams",
      "deno",
      "node",
      "bun",
      "cloudflare-workers",
    ],
    license,
    type: "module",
    // The first version of this line with process.getBuiltinModule, by which the Node dialer gets its sockets; 22 has had it since 22.3.
    engines: { node: ">=20.16" },
    sideEffects: false,
  };
}

/**
 * The `exports` of package.json for sources built below `folder` (`"./esm"`, or `"."`). The condition is `default` and not `import`, so that
 * `require` finds the module too on a Node that can load one.
 */
export function exportTargets({ exports }: ProjectConfig, folder: string): Record<string, ExportTarget> {
  return Object.fromEntries(
    Object.entries(exports).map(([subpath, source]) => {
      const stem = `${folder}/${source.replace(/^\.\//, "").replace(/\.ts$/, "")}`;
      return [subpath, { types: `${stem}.d.ts`, default: `${stem}.js` }];
    }),
  );
}

/** What of `paths`, relative to the package, has no business in it: sources, source maps, tests, configuration. */
export function strangers(paths: Iterable<string>): string[] {
  return [...paths].filter((path) => {
    const name = path.slice(path.lastIndexOf("/") + 1);
    const isCode = /\.(js|d\.ts)$/.test(name) && !/[._]test\./.test(name);
    return !isCode && name !== "package.json" && !DOCUMENTS.includes(path);
  });
}
