import { assert, assertEquals } from "@std/assert";

const root = new URL("../../", import.meta.url);

async function demo(...args: string[]): Promise<{ code: number; printed: string; complained: string }> {
  const flags = ["run", "--no-prompt", "--allow-net", "--allow-read", "--allow-env", "--allow-sys", "--import-map=tests/npm_only.json"];
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [...flags, "scripts/demo.ts", ...args],
    cwd: root,
    env: { NO_COLOR: "1", SMTP_PASSWORD: "s3cret" },
  }).output();
  return { code, printed: new TextDecoder().decode(stdout), complained: new TextDecoder().decode(stderr) };
}

Deno.test("the demo sends a real message over TLS, shows the conversation without secrets, and finds the same bytes stored", async () => {
  const { code, printed, complained } = await demo();
  assertEquals(code, 0, complained);
  for (
    const line of [
      "TLS stands, the certificate is checked",
      "C: AUTH PLAIN ***",
      "C: DATA  (same write)",
      "accepted  andre@posthorn.example",
      "rejected  reject@posthorn.example",
      "2 for the message",
      "The server stored the same 1066 bytes, sent over TLS by alice.",
    ]
  ) assert(printed.includes(line), `${line} is not in:\n${printed}`);
  assertEquals(/s3cret|pässwörd|AGFsaWNl/.test(printed), false);
});

Deno.test("the demo tells what went wrong with a server of the user's", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr as Deno.NetAddr;
  listener.close();
  const { code, complained } = await demo("--host", "127.0.0.1", "--port", `${port}`, "--user", "alice@x.test");
  assertEquals(code, 1);
  assert(complained.includes("kind connect, phase connect, delivery not-sent"), complained);
});
