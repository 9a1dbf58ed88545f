/** C: STARTTLS, and who else may speak. */
import { equal, rejected } from "../../runtimes/case.ts";
import { toHex } from "../../support/octets.ts";
import { Puppet, type SocketFault } from "../puppet/puppet.ts";
import { BYE, CREDENTIALS, MESSAGE, notSaid, STARTTLS } from "./sessions.ts";

/** As far as the reply to STARTTLS. */
const ASKED = `
  S: 220 mx.test
  C: EHLO client.test
  S: 250-mx.test
  S: 250-AUTH PLAIN
  S: 250-SIZE 100
  S: 250 STARTTLS
  C: STARTTLS
`;
/** What somebody on the way says behind the reply to STARTTLS. */
const INJECTED: readonly string[] = [
  "220 go\r\n250-x\r\n250 AUTH LOGIN\r\n",
  "220 go\r\n250-AUTH LOGIN\r\n250-",
  "220 go\r\n2",
  "220 go\r\n\r\n",
  "220 go\r\n220 go\r\n",
  "220-go\r\n220 go\r\n421 not now\r\n",
];
/** What follows: the handshake that the one on the way passes on, and a server that knows of nothing. */
const GOES_ON = `
  C: {tls}
  C: EHLO client.test
  S: 250-mx.test
  S: 250 AUTH PLAIN
`;

/** `text` in two segments, or in one. */
function segments(text: string, at: number): string {
  const parts = [text.slice(0, at), text.slice(at)].filter((part) => part !== "");
  return parts.map((part) => `S: {octets} ${toHex(part)}`).join("\nS: {wait} 3\n");
}

export const starttlsFaults: readonly SocketFault[] = [
  ...INJECTED.map((text): SocketFault => ({
    name: `F22 Octets in the clear behind the reply to STARTTLS end the connection, wherever the segments end: ${JSON.stringify(text)}`,
    async run({ connect }, env): Promise<void> {
      await Promise.all(Array.from(text, async (_, at) => {
        const puppet = await Puppet.play(env, `${ASKED}${segments(text, at)}${GOES_ON}`);
        const error = await rejected(connect(puppet.options({ tls: "starttls", auth: CREDENTIALS })));
        const { said } = await puppet.report();
        if (error.kind !== "tls" && error.kind !== "protocol" && error.code !== 421) throw new Error(`at ${at}: ${JSON.stringify(error)}`);
        equal([error.delivery, said.split("EHLO").length], ["not-sent", 2], `at ${at}`);
        notSaid(said, "AUTH", "MAIL", "HELO");
      }));
    },
  })),
  {
    name: "F22 Octets in the clear in the middle of the handshake end the connection",
    async run({ connect }, env): Promise<void> {
      const puppet = await Puppet.play(env, `${ASKED}S: 220 go\nC: {taken} 1\nS: {clear} 250 AUTH LOGIN\n${GOES_ON}`);
      const error = await rejected(connect(puppet.options({ tls: "starttls", auth: CREDENTIALS })));
      equal([error.name, error.kind, error.delivery], ["SmtpSecurityError", "tls", "not-sent"]);
      notSaid((await puppet.report()).said, "AUTH", "MAIL");
    },
  },
  ...(["starttls", "opportunistic"] as const).map((tls): SocketFault => ({
    name: `F23 A whole session that is played behind a refusal of STARTTLS is taken for none (${tls})`,
    async run({ connect }, env): Promise<void> {
      const played = ["454 no", "235 ok", "250 ok", "250 ok", "354 go", "250 queued"].map((line) => `S: ${line}`).join("\n");
      const puppet = await Puppet.play(env, `${ASKED}${played}`);
      const error = await rejected((async () => {
        await using client = await connect(puppet.options({ tls, ...(tls === "starttls" && { auth: CREDENTIALS }) }));
        await client.send(MESSAGE);
      })());
      equal(error.delivery, "not-sent");
      if (error.kind !== "protocol") equal([error.kind, error.code], ["refused", 454]);
      notSaid((await puppet.report()).said, "AUTH", "MAIL", "RCPT", "DATA");
    },
  })),
  ...["454 not now", "502 no", "250 yes", "220x", "354 go", "501 no"].map((reply): SocketFault => ({
    name: `F24 A server that answers STARTTLS with "${reply}" gets neither mail nor credentials`,
    async run({ connect }, env): Promise<void> {
      const puppet = await Puppet.play(env, `${ASKED}S: ${reply}`);
      const options = puppet.options({ tls: "starttls", auth: CREDENTIALS, timeouts: { quit: 100 } });
      const error = await rejected(connect(options));
      const isRefusal = /^[45]\d\d /.test(reply);
      equal([error.kind, error.delivery, error.phase], [isRefusal ? "refused" : "protocol", "not-sent", "starttls"]);
      notSaid((await puppet.report()).said, "AUTH", "MAIL");
    },
  })),
  {
    name: "F24 A server whose STARTTLS somebody has cut out gets neither mail nor credentials",
    async run({ connect }, env): Promise<void> {
      const puppet = await Puppet.play(env, `S: 220 mx.test\nC: EHLO client.test\nS: 250-mx.test\nS: 250-XXXXXXXX\nS: 250 AUTH PLAIN\n${BYE}`);
      const error = await rejected(connect(puppet.options({ tls: "starttls", auth: CREDENTIALS })));
      equal([error.name, error.kind, error.delivery], ["SmtpSecurityError", "insecure", "not-sent"]);
      const { said } = await puppet.report();
      notSaid(said, "AUTH", "MAIL", "STARTTLS");
    },
  },
  {
    name: "F24 Opportunistic TLS never takes credentials in the clear",
    async run({ connect }, env): Promise<void> {
      const puppet = await Puppet.play(env, `${ASKED}S: 454 not now\n${BYE}`);
      const error = await rejected(connect(puppet.options({ tls: "opportunistic", auth: CREDENTIALS })));
      equal([error.name, error.kind, error.delivery], ["SmtpSecurityError", "insecure", "not-sent"]);
      notSaid((await puppet.report()).said, "AUTH", "MAIL");
    },
  },
  {
    name: "F25 A server that takes credentials in the clear gets none, unless the caller says so by name",
    async run({ connect }, env): Promise<void> {
      const offers = "S: 220 mx.test\nC: EHLO client.test\nS: 250-mx.test\nS: 250 AUTH PLAIN\n";
      const strict = await Puppet.play(env, `${offers}${BYE}`);
      const error = await rejected(connect(strict.options({ auth: CREDENTIALS })));
      equal([error.name, error.kind, error.delivery], ["SmtpSecurityError", "insecure", "not-sent"]);
      notSaid((await strict.report()).said, "AUTH", "MAIL");
      const lax = await Puppet.play(env, `${offers}C: {like} ^AUTH PLAIN \nS: 235 welcome\n${BYE}`);
      await (await connect(lax.options({ auth: CREDENTIALS, allowCleartextAuth: true }))).quit();
      equal((await lax.report()).rest, "");
    },
  },
  {
    name: "F26 What a server offered in the clear is forgotten: no AUTH behind TLS is no login",
    async run({ connect }, env): Promise<void> {
      const puppet = await Puppet.play(env, `${ASKED}S: 220 go\nC: {tls}\nC: EHLO client.test\nS: 250 mx.test\n${BYE}`);
      const error = await rejected(connect(puppet.options({ tls: "starttls", auth: CREDENTIALS })));
      equal([error.name, error.kind, error.delivery], ["SmtpUnsupportedError", "unsupported", "not-sent"]);
      notSaid((await puppet.report()).said, "AUTH", "MAIL");
    },
  },
  {
    name: "F26 What a server offered in the clear is forgotten: its SIZE is no limit behind TLS, nor its STARTTLS an offer",
    async run({ connect }, env): Promise<void> {
      const lockstep = "C: MAIL FROM:<a@x.test>\nS: 250 ok\nC: RCPT TO:<b@y.test>\nS: 250 ok\nC: DATA\nS: 354 go\nC: {message}\nS: 250 taken\n";
      const puppet = await Puppet.play(env, `${ASKED}S: 220 go\nC: {tls}\nC: EHLO client.test\nS: 250 mx.test\n${lockstep}${BYE}`);
      const client = await connect(puppet.options({ tls: "starttls" }));
      equal([client.isSecure, ...["AUTH", "SIZE", "STARTTLS"].map((name) => client.extensions.has(name))], [true, false, false, false]);
      await client.send({ ...MESSAGE, body: "x".repeat(500) });
      await client.quit();
      equal((await puppet.report()).rest, "");
    },
  },
  {
    name: "F26 A server that forgets nothing is asked again all the same",
    async run({ connect }, env): Promise<void> {
      const puppet = await Puppet.play(env, `${STARTTLS}${BYE}`);
      await (await connect(puppet.options({ tls: "starttls" }))).quit();
      const { said, rest } = await puppet.report();
      equal([said.split("EHLO client.test\r\n").length, rest], [3, ""]);
    },
  },
];
