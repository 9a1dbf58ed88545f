/** TLS and login. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { SmtpAuthError, SmtpReplyError } from "@posthorn/smtp";
import { external } from "@posthorn/smtp/sasl";
import { letter } from "../bench.ts";
import type { Feature } from "../feature.ts";
import { USER } from "../servers.ts";

export const security: readonly Feature[] = [
  {
    name: "STARTTLS",
    sentence: "stores a message that came over STARTTLS",
    needs: "STARTTLS",
    async prove(bench): Promise<void> {
      await using client = await bench.connect({ tls: "starttls" });
      assert(client.isSecure);
      assert(!client.extensions.has("STARTTLS"), "it offers STARTTLS behind TLS");
      await bench.deliver(client);
    },
  },
  {
    name: "implicit TLS",
    sentence: "stores a message that came over implicit TLS",
    isFor: ({ protocol, tlsPort }) => protocol === "smtp" && tlsPort !== undefined,
    async prove(bench): Promise<void> {
      await using client = await bench.connect({ tls: "implicit" });
      assert(client.isSecure);
      await bench.deliver(client);
    },
  },
  ...["PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256"].map((mechanism): Feature => ({
    name: `AUTH ${mechanism}`,
    sentence: `lets alice in by ${mechanism} and stores her message`,
    needs: `AUTH ${mechanism}`,
    async prove(bench): Promise<void> {
      const { client, lines } = await bench.traced({ auth: { ...USER, forceMechanism: mechanism } });
      await using _ = client;
      assert(client.connection.isAuthenticated);
      assertEquals(lines.filter(({ line }) => line.startsWith("AUTH")).map(({ line }) => line.split(" ")[1]), [mechanism]);
      await bench.deliver(client);
    },
  })),
  ...["XOAUTH2", "OAUTHBEARER"].map((forceMechanism): Feature => ({
    name: `AUTH ${forceMechanism}`,
    sentence: `lets alice in by ${forceMechanism} with a token that was renewed, and refuses one that is stale`,
    needs: `AUTH ${forceMechanism}`,
    async prove(bench): Promise<void> {
      const accessToken = ({ wasRefused }: { readonly wasRefused: boolean }) => wasRefused ? bench.server.token : "stale";
      await using client = await bench.connect({ auth: { username: USER.username, accessToken, forceMechanism } });
      assert(client.connection.isAuthenticated);
      await bench.deliver(client);
      const stale = { username: USER.username, accessToken: "stale", forceMechanism };
      const error = await assertRejects(() => bench.connect({ auth: stale }), SmtpAuthError);
      assertEquals([error.code, typeof error.details], [535, "object"]);
    },
  })),
  {
    name: "AUTH EXTERNAL",
    sentence: "lets alice in by her certificate and stores her message",
    needs: "AUTH EXTERNAL",
    async prove(bench): Promise<void> {
      const { tlsOptions } = bench.options();
      const auth = { mechanisms: [external({ authzid: USER.username })] };
      await using client = await bench.connect({ tls: "implicit", tlsOptions: { ...tlsOptions, ...bench.server.identity }, auth });
      assert(client.connection.isAuthenticated);
      await bench.deliver(client);
    },
  },
  {
    name: "a wrong password",
    sentence: "refuses a wrong password, and the library says that it is the credentials",
    needs: "AUTH",
    async prove(bench): Promise<string> {
      const error = await assertRejects(() => bench.connect({ auth: { ...USER, password: "wrong" } }), SmtpAuthError);
      assertEquals([error.phase, error.delivery, error.transient], ["auth", "not-sent", false]);
      return `refused: ${error.code}`;
    },
  },
  {
    name: "a message before login",
    sentence: "takes no message before login",
    isFor: ({ wantsLogin }) => wantsLogin === true,
    async prove(bench): Promise<string> {
      await using client = await bench.connectAsNobody();
      const error = await assertRejects(() => client.send({ from: "alice@x.test", to: "alice@x.test", body: letter().text }), SmtpReplyError);
      assertEquals([error.phase, error.delivery], ["mail", "not-sent"]);
      await client.login(USER);
      await bench.deliver(client);
      return `refused: ${error.code}`;
    },
  },
  {
    name: "relaying",
    sentence: "relays for alice once she has logged in, and for nobody else",
    needs: "AUTH",
    isFor: ({ protocol, wantsLogin }) => protocol === "smtp" && !wantsLogin,
    async prove(bench): Promise<string> {
      await using client = await bench.connect();
      const message = { from: "alice@x.test", to: "bob@elsewhere.test", body: letter().text };
      const error = await assertRejects(() => client.send(message), SmtpReplyError);
      assertEquals([error.phase, error.recipient, error.transient], ["rcpt", "bob@elsewhere.test", false]);
      await client.login(USER);
      const { connection } = client;
      const [mail, rcpt, rset] = await Promise.all([connection.mail("alice@x.test"), connection.rcpt("bob@elsewhere.test"), connection.rset()]);
      assertEquals([mail.code, rcpt.code, rset.code], [250, 250, 250]);
      return `refused: ${error.code}`;
    },
  },
];
