/** What connections of one dialer share of TLS, and what they never share. */
import type { ConnectOptions } from "@posthorn/smtp";
import { type Case, type Environment, equal, type Library, loginsTried, reaching, rejected } from "./case.ts";

/** Whether the server knew the TLS session of a connection, as it says. */
async function tellsOf({ connect }: Library, env: Environment, port: number, options: ConnectOptions): Promise<string> {
  await using client = await connect(reaching(env, port, { tls: "implicit", ...options }));
  return (await client.connection.help()).text;
}

/** One dialer, several connections. */
export const resumptions: readonly Case[] = [
  ...(["sasl", "saslTls12"] as const).map((name): Case => ({
    name: `two connections of one dialer: TLS ${name === "sasl" ? "1.3" : "1.2"} is resumed on Node and Bun`,
    async run(library, env): Promise<void> {
      const dial = library.createDialer();
      const told = [await tellsOf(library, env, env.ports[name], { dial }), await tellsOf(library, env, env.ports[name], { dial })];
      // Workers decide for themselves, for all connections of the process.
      if (env.lacks.includes("own authority")) return equal(told.filter((text) => text !== "fresh" && text !== "resumed"), []);
      equal(told, ["fresh", env.lacks.includes("session resumption") ? "fresh" : "resumed"]);
    },
  })),
  {
    name: "two connections of one pool: TLS is resumed on Node and Bun",
    async run({ SmtpPool }, env): Promise<void> {
      await using pool = new SmtpPool(reaching(env, env.ports.sasl, { tls: "implicit" }), { maxConnections: 1, maxMessages: 1 });
      const send = async () => await rejected(pool.send({ from: "a@x.test", to: "b@y.test", body: "Subject: x\r\n\r\nhello\r\n" }));
      const told = [(await send()).message, (await send()).message].map((message) => /fresh|resumed/.exec(String(message))?.[0]);
      // Workers decide for themselves, for all connections of the process.
      if (env.lacks.includes("own authority")) return equal(told.filter((text) => text !== "fresh" && text !== "resumed"), []);
      equal(told, ["fresh", env.lacks.includes("session resumption") ? "fresh" : "resumed"]);
    },
  },
  {
    name: "TLS is resumed for the same name, authorities, port and dialer alone",
    needs: "own authority",
    async run(library, env): Promise<void> {
      const dial = library.createDialer();
      const caCerts = [env.authority];
      const told = async (options: ConnectOptions, port = env.ports.sasl) => await tellsOf(library, env, port, { dial, ...options });
      await told({});
      equal(await told({ tlsOptions: { caCerts, serverName: "127.0.0.1" } }), "fresh", "another name");
      equal(await told({ tlsOptions: { caCerts: [...caCerts, ...caCerts] } }), "fresh", "other authorities");
      equal(await told({ tlsOptions: { caCerts, ...env.identity } }), "fresh", "another certificate of our own");
      equal(await told({}, env.ports.saslStripped), "fresh", "another port");
      equal(await told({ dial: library.createDialer() }), "fresh", "another dialer");
    },
  },
  {
    name: "another host's certificate where TLS was to be resumed",
    async run(library, env): Promise<void> {
      const before = await loginsTried(env);
      const options = reaching(env, env.ports.saslTurning, { tls: "implicit", dial: library.createDialer() });
      const meet = async () => await (await library.connect(options)).quit();
      await meet();
      const error = await rejected(library.connect({ ...options, auth: env.user }));
      equal([error.name, error.kind, await loginsTried(env) - before], ["SmtpSecurityError", "tls", 0]);
      await meet();
    },
  },
];
