/** Node's dialer on Deno, where it does what Deno's own cannot; how it behaves on Node and Bun is in `tests/runtimes/`. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { connect, SmtpConnectionError, SmtpProtocolError, SmtpUnsupportedError } from "@posthorn/smtp";
import { dialNode } from "@posthorn/smtp/transport/node";
import { Authority } from "../support/certificates.ts";
import { MailServer } from "../support/mail_server.ts";

const authority = await Authority.create();
const leaf = await authority.leaf(["localhost"]);

Deno.test("dialNode presents a client certificate after STARTTLS, which dialDeno refuses by naming it", async () => {
  const wanting = { requestCert: true, rejectUnauthorized: true, ca: [authority.cert] };
  await using server = await MailServer.start(leaf, wanting);
  const identity = await authority.leaf(["alice"], { isClient: true });
  const options = { hostname: "localhost", port: server.port, tlsOptions: { caCerts: [authority.cert], ...identity } };
  const error = await assertRejects(() => connect(options), SmtpUnsupportedError, "client certificate");
  assert(error.hint?.includes("dialNode"));
  await using client = await connect({ ...options, dial: dialNode });
  await client.send({ from: "a@x.test", to: "b@y.test", body: "Subject: a\r\n\r\n" });
  assertEquals(server.messages[0]?.isSecure, true);
});

Deno.test("dialNode rejects with the signal's reason when it is aborted, and with what Node said when nobody answers", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr as Deno.NetAddr;
  listener.close();
  const options = { hostname: "127.0.0.1", port, secureTransport: "off" as const, tls: {} };
  const error = await assertRejects(() => dialNode({ ...options, signal: new AbortController().signal }), SmtpConnectionError, `127.0.0.1:${port}`);
  assert(error.cause instanceof Error);
  const reason = new Error("enough");
  assertEquals(await dialNode({ ...options, signal: AbortSignal.abort(reason) }).catch((error) => error), reason);
});

Deno.test("dialNode refuses to start TLS behind octets that came in the clear", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr as Deno.NetAddr;
  const serving = listener.accept().then(async (conn) => {
    const say = (text: string) => conn.write(new TextEncoder().encode(text));
    await say("220 mx\r\n");
    await conn.read(new Uint8Array(1000));
    await say("250-mx\r\n250 STARTTLS\r\n");
    await conn.read(new Uint8Array(1000));
    await say("220 go\r\n250-mx\r\n250 AUTH PLAIN\r\n");
    await conn.read(new Uint8Array(1000)).catch(() => {});
    conn.close();
  });
  const auth = { username: "alice", password: "s3cret" };
  await assertRejects(() => connect({ hostname: "127.0.0.1", port, dial: dialNode, auth }), SmtpProtocolError);
  await serving;
  listener.close();
});
