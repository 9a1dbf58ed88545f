/** C: certificates, and who is asked for. */
import { equal, rejected } from "../../runtimes/case.ts";
import { Puppet, type SocketFault } from "../puppet/puppet.ts";

const CREDENTIALS = { username: "alice", password: "s3cret" };
/** A session over TLS from the first octet, or behind STARTTLS. */
const IMPLICIT = `
  S: 220 mx.test
  C: EHLO client.test
  S: 250 mx.test
  C: QUIT
  S: 221 bye
`;
const STARTTLS = `
  S: 220 mx.test
  C: EHLO client.test
  S: 250-mx.test
  S: 250 STARTTLS
  C: STARTTLS
  S: 220 go
  C: {tls}
  C: EHLO client.test
  S: 250 mx.test
  C: QUIT
  S: 221 bye
`;
const WRONG: Readonly<Record<string, string>> = {
  selfSigned: "of its own",
  stranger: "of an unknown authority",
  other: "for another host",
  expired: "that has expired",
  clientOnly: "that is for clients",
  wildcard: "for *.test, asked for localhost",
  addressOnly: "for the address, asked for the name",
};

export const certificateFaults: readonly SocketFault[] = [
  ...Object.entries(WRONG).flatMap(([certificate, words]) =>
    (["implicit", "starttls"] as const).map((tls): SocketFault => ({
      name: `F27 A certificate ${words} ends the connection (${tls})`,
      async run({ connect }, env): Promise<void> {
        const isImplicit = tls === "implicit";
        const puppet = await Puppet.play(env, { scripts: [isImplicit ? IMPLICIT : STARTTLS], isImplicit, certificate });
        const error = await rejected(connect(puppet.options({ tls, auth: CREDENTIALS })));
        equal([error.name, error.kind, error.delivery], ["SmtpSecurityError", "tls", "not-sent"]);
        const { said } = await puppet.report();
        equal(isImplicit ? said : said.slice(-"STARTTLS\r\n".length), isImplicit ? "" : "STARTTLS\r\n", "what the server heard");
      },
    }))
  ),
  ...(["implicit", "starttls"] as const).flatMap((tls): SocketFault[] => {
    const isImplicit = tls === "implicit";
    const scripts = [isImplicit ? IMPLICIT : STARTTLS];
    return [
      {
        name: `F28 A server is asked for by its name in the handshake (${tls})`,
        async run({ connect }, env): Promise<void> {
          const puppet = await Puppet.play(env, { scripts, isImplicit });
          await (await connect(puppet.options({ tls }))).quit();
          const { serverName, rest } = await puppet.report();
          equal([serverName, rest], ["localhost", ""]);
        },
      },
      {
        name: `F28 A server with an address for a name is asked for by none, and its certificate has the address (${tls})`,
        async run({ connect }, env): Promise<void> {
          const puppet = await Puppet.play(env, { scripts, isImplicit });
          await (await connect(puppet.options({ tls, hostname: "127.0.0.1" }))).quit();
          const { serverName, rest } = await puppet.report();
          equal([serverName, rest], [false, ""]);
        },
      },
      {
        name: `F28 A certificate without the address does not do for an address (${tls})`,
        async run({ connect }, env): Promise<void> {
          const puppet = await Puppet.play(env, { scripts, isImplicit, certificate: "nameOnly" });
          const error = await rejected(connect(puppet.options({ tls, hostname: "127.0.0.1", auth: CREDENTIALS })));
          equal([error.name, error.kind, error.delivery], ["SmtpSecurityError", "tls", "not-sent"]);
        },
      },
    ];
  }),
];
