/** Every snippet of the README is executed as it stands, against a real server. */
import { assert, assertEquals } from "@std/assert";
import { Authority } from "../support/certificates.ts";
import { MailServer } from "../support/mail_server.ts";
import { TestProxy } from "../support/proxy.ts";

const root = new URL("../../", import.meta.url);
const readme = await Deno.readTextFile(new URL("README.md", root));
const snippets = [...readme.matchAll(/^```ts\n(.*?)^```$/gms)].map(([, code = ""]) => code);

const PASSWORDS = { SMTP_PASSWORD: "s3cret", PROXY_PASSWORD: "s3cret" };

/** What each snippet prints, and how many messages it leaves. */
const EXPECTED: [title: string, output: RegExp, messages: number][] = [
  ["a first send", /^2 0 TEST1\n$/, 1],
  ["login", /^true\n$/, 0],
  ["extensions", /^1\n$/, 1],
  ["verb by verb", /^250 Accepted undefined 354\n250 queued as TEST1\n$/, 1],
  ["high and low mixed", /^252 .* 10000000\n$/, 1],
  ["errors", /^refused rcpt 550 undefined reject@example.com false\n$/, 0],
  ["many messages", /^sent TEST1\nrefused reject@example.com not-sent The server refused RCPT reject@example.com: 550 .*\nsent TEST2\n$/, 2],
  ["a pool", /^sent bob@example.com\nsent carol@example.org\nsent dave@example.org\n3\n$/, 3],
  ["through a proxy", /^true\ntrue\n$/, 2],
];

Deno.test("the README has the snippets that are executed here", () => assertEquals(snippets.length, EXPECTED.length));

for (const [index, [title, output, messages]] of EXPECTED.entries()) {
  Deno.test(`the README's snippet "${title}" does what it says`, async () => {
    const authority = await Authority.create();
    await using server = await MailServer.start(await authority.leaf(["mail.example.com"]), {
      authMethods: ["PLAIN", "LOGIN", "XOAUTH2"],
      onAuth: (_auth, _session, callback) => callback(null, { user: "alice" }),
    });
    await using proxy = new TestProxy({
      credentials: { username: "alice", password: "s3cret" },
      route: () => ({ hostname: "127.0.0.1", port: server.port }),
    });
    const folder = await Deno.makeTempDir();
    try {
      await Deno.writeTextFile(`${folder}/snippet.ts`, snippets[index] ?? "");
      const here = (path: string) => new URL(path, root).href;
      const imports = {
        "@posthorn/smtp": here("tests/support/redirected.ts"),
        "@posthorn/smtp/extensions": here("src/extensions/mod.ts"),
        "@posthorn/smtp/proxy": here("tests/support/redirected_proxy.ts"),
      };
      await Deno.writeTextFile(`${folder}/deno.json`, JSON.stringify({ imports }));
      const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
        args: ["run", "--check", "--no-prompt", "--no-lock", "--allow-net", "--allow-env", `--config=${folder}/deno.json`, `${folder}/snippet.ts`],
        env: { TEST_PORT: `${server.port}`, TEST_CA: authority.cert, TEST_PROXY: `${proxy.port}`, ...PASSWORDS, NO_COLOR: "1" },
      }).output();
      const printed = new TextDecoder().decode(stdout);
      assertEquals(code, 0, new TextDecoder().decode(stderr));
      assert(output.test(printed), printed);
      assertEquals([server.messages.length, proxy.tunnels.length], [messages, title === "through a proxy" ? messages : 0]);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  });
}
