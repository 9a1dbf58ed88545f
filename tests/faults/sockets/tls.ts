/** C: TLS that does not begin, and TLS that ends badly. */
import { equal, rejected } from "../../runtimes/case.ts";
import { Puppet, type SocketFault } from "../puppet/puppet.ts";
import { BYE, CREDENTIALS, ENVELOPE, meet, MESSAGE, SENT, STARTTLS } from "./sessions.ts";

/** How a server ends TLS without ending it: nothing said, text that is no TLS, an alert. */
const CUTS: Readonly<Record<string, string>> = {
  "TCP ends": "S: {drop}",
  "there is text below TLS": "S: {clear} HTTP/1.0 400 Bad Request",
  "there is an alert": "S: {alert}",
};
const TO_STARTTLS = STARTTLS.slice(0, STARTTLS.indexOf("C: {tls}"));

export const tlsFaults: readonly SocketFault[] = [
  ...(["implicit", "starttls"] as const).flatMap((tls): SocketFault[] => {
    const before = tls === "implicit" ? "" : TO_STARTTLS;
    const begins = tls === "implicit" ? { tls, hostname: "localhost" } : { tls };
    return [
      {
        name: `F30 A server that never answers the handshake is left at the deadline (${tls})`,
        async run({ connect }, env): Promise<void> {
          const puppet = await Puppet.play(env, `${before}C: {taken} 1\nS: {silence}`);
          const error = await rejected(connect(puppet.options({ ...begins, auth: CREDENTIALS, timeouts: { connect: 300 } })));
          equal([error.name, error.kind, error.delivery], ["SmtpConnectionError", "timeout", "not-sent"]);
          // Some runtimes keep the connection of a handshake until the server has had enough.
          if (env.lacks.includes("the end of a handshake")) return;
          equal((await puppet.report()).end === undefined, false, "the end of the connection");
        },
      },
      {
        name: `F30 A server that answers the handshake octet by octet is left at the deadline (${tls})`,
        async run({ connect }, env): Promise<void> {
          const puppet = await Puppet.play(env, `${before}C: {taken} 1\nS: {octets} 16 03 03 40 00\nS: {drip} 20 ${"x".repeat(300)}`);
          const error = await rejected(connect(puppet.options({ ...begins, auth: CREDENTIALS, timeouts: { connect: 300 } })));
          equal([error.delivery, error.kind === "timeout" || error.kind === "tls"], ["not-sent", true], JSON.stringify(error));
        },
      },
      {
        name: `F30 A server that answers the handshake in the clear fails it (${tls})`,
        async run({ connect }, env): Promise<void> {
          const puppet = await Puppet.play(env, tls === "implicit" ? "S: 220 mx.test ESMTP" : `${before}C: {taken} 1\nS: 220 mx.test ESMTP`);
          const error = await rejected(connect(puppet.options({ ...begins, auth: CREDENTIALS, timeouts: { connect: 3_000 } })));
          equal([error.name, error.kind, error.delivery], ["SmtpSecurityError", "tls", "not-sent"]);
        },
      },
      ...["close", "reset"].map((end): SocketFault => ({
        name: `F30 A server that ends in the handshake fails it (${tls}, ${end})`,
        async run({ connect }, env): Promise<void> {
          const puppet = await Puppet.play(env, `${before}C: {taken} 1\nS: {${end}}`);
          const error = await rejected(connect(puppet.options({ ...begins, auth: CREDENTIALS })));
          equal([error.kind === "tls" || error.kind === "disconnected", error.delivery], [true, "not-sent"], JSON.stringify(error));
        },
      })),
      {
        name: `F30 TLS 1.1 is no TLS (${tls})`,
        async run({ connect }, env): Promise<void> {
          const isImplicit = tls === "implicit";
          const puppet = await Puppet.play(env, { scripts: [isImplicit ? "S: 220 mx.test" : STARTTLS], isImplicit, maxVersion: "TLSv1.1" });
          const error = await rejected(connect(puppet.options({ ...begins, auth: CREDENTIALS })));
          equal([error.name, error.kind, error.delivery], ["SmtpSecurityError", "tls", "not-sent"]);
          equal((await puppet.report()).version, undefined);
        },
      },
      {
        name: `F30 TLS 1.2 is spoken where a server has no better (${tls})`,
        async run({ connect }, env): Promise<void> {
          const isImplicit = tls === "implicit";
          const script = isImplicit ? `S: 220 mx.test\nC: EHLO client.test\nS: 250 mx.test\n${BYE}` : `${STARTTLS}${BYE}`;
          const puppet = await Puppet.play(env, { scripts: [script], isImplicit, maxVersion: "TLSv1.2" });
          await (await connect(puppet.options(begins))).quit();
          const { version, rest } = await puppet.report();
          equal([version, rest], ["TLSv1.2", ""]);
        },
      },
    ];
  }),
  {
    name: "F30 A client that speaks in the clear to a port of TLS is told at the deadline of the greeting",
    async run({ connect }, env): Promise<void> {
      const puppet = await Puppet.play(env, { scripts: ["S: 220 mx.test"], isImplicit: true });
      const error = await rejected(connect(puppet.options({ tls: "starttls", auth: CREDENTIALS, timeouts: { greeting: 300 } })));
      equal([error.name, error.kind, error.phase], ["SmtpConnectionError", "timeout", "greeting"]);
    },
  },
  ...(["implicit", "starttls"] as const).flatMap((way) =>
    Object.entries(CUTS).flatMap(([words, cut]): SocketFault[] => [
      {
        name: `F31 A final reply of which ${words} before its line does is no reply (${way})`,
        async run(library, env): Promise<void> {
          const { client, puppet } = await meet(library, env, way, `${ENVELOPE}C: {message}\nS: {part} 250 tak\n${cut}`);
          const error = await rejected(client.send(MESSAGE));
          equal([error.name, error.kind, error.phase, error.delivery], ["SmtpConnectionError", "disconnected", "data", "unknown"]);
          equal([client.isClosed, (await puppet.report()).mismatch], [true, undefined]);
        },
      },
      {
        name: `F31 A reply to MAIL of which ${words} is none (${way})`,
        async run(library, env): Promise<void> {
          const { client } = await meet(library, env, way, `C: MAIL FROM:<a@x.test>\n${cut}`);
          const error = await rejected(client.send(MESSAGE));
          equal([error.name, error.kind, error.phase, error.delivery], ["SmtpConnectionError", "disconnected", "mail", "not-sent"]);
        },
      },
      {
        name: `F31 When behind the 221 ${words}, nothing is lost (${way})`,
        async run(library, env): Promise<void> {
          const { client } = await meet(library, env, way, `${SENT}C: QUIT\nS: 221 bye\n${cut}`);
          const { accepted } = await client.send(MESSAGE);
          await client.quit();
          equal([accepted.length, client.isClosed], [1, true]);
        },
      },
    ])
  ),
];
