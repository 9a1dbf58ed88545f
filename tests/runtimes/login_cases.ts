/** Logging in, with each mechanism. */
import type { Auth } from "@posthorn/smtp";
import { type Case, type Environment, equal, type Library, reaching, rejected } from "./case.ts";

/** Whom the server takes the client for that logs in with `auth`. */
async function identityOf({ connect }: Library, env: Environment, auth: Auth, port: number = env.ports.sasl): Promise<string> {
  await using client = await connect(reaching(env, port, { tls: "implicit", auth }));
  return (await client.connection.vrfy("me")).text;
}

/** One case a mechanism. */
export const logins: readonly Case[] = [
  ...["SCRAM-SHA-1", "SCRAM-SHA-256", "SCRAM-SHA-512"].map((name): Case => ({
    name: `AUTH ${name}`,
    async run(library, env): Promise<void> {
      equal(await identityOf(library, env, { ...env.user, forceMechanism: name }), `alice with n by ${name}`);
    },
  })),
  {
    name: "AUTH SCRAM-SHA-256-PLUS by tls-exporter",
    needs: "channel binding",
    async run(library, env): Promise<void> {
      const auth = { ...env.user, forceMechanism: "SCRAM-SHA-256-PLUS" };
      equal(await identityOf(library, env, auth), "alice with p=tls-exporter by SCRAM-SHA-256-PLUS");
    },
  },
  {
    name: "AUTH SCRAM-SHA-256-PLUS by tls-server-end-point",
    needs: "channel binding",
    async run(library, env): Promise<void> {
      const auth = { ...env.user, forceMechanism: "SCRAM-SHA-256-PLUS" };
      equal(await identityOf(library, env, auth, env.ports.saslTls12), "alice with p=tls-server-end-point by SCRAM-SHA-256-PLUS");
    },
  },
  {
    name: "AUTH by the strongest mechanism",
    async run(library, env): Promise<void> {
      const strongest = env.lacks.includes("channel binding") ? "n by SCRAM-SHA-512" : "p=tls-exporter by SCRAM-SHA-512-PLUS";
      equal(await identityOf(library, env, env.user), `alice with ${strongest}`);
    },
  },
  {
    name: "AUTH where -PLUS was cut out of the list",
    async run(library, env): Promise<void> {
      const login = identityOf(library, env, env.user, env.ports.saslStripped);
      if (env.lacks.includes("channel binding")) return equal(await login, "alice with n by SCRAM-SHA-512");
      const error = await rejected(login);
      equal([error.name, error.code, error.details], ["SmtpAuthError", 535, { error: "server-does-support-channel-binding" }]);
    },
  },
  {
    name: "AUTH CRAM-MD5",
    needs: "MD5",
    async run(library, env): Promise<void> {
      equal(await identityOf(library, env, { ...env.user, forceMechanism: "CRAM-MD5" }), "alice by CRAM-MD5");
    },
  },
  ...["XOAUTH2", "OAUTHBEARER"].map((forceMechanism): Case => ({
    name: `AUTH ${forceMechanism}, the token renewed`,
    async run(library, env): Promise<void> {
      const accessToken = ({ wasRefused }: { wasRefused: boolean }) => wasRefused ? env.token : "stale";
      equal(await identityOf(library, env, { username: "alice", accessToken, forceMechanism }), `alice by ${forceMechanism}`);
      const error = await rejected(identityOf(library, env, { username: "alice", accessToken: "stale", forceMechanism }));
      equal([error.name, error.code, error.details], ["SmtpAuthError", 535, { status: "invalid_token", scope: "mail", schemes: "bearer" }]);
    },
  })),
  {
    name: "AUTH EXTERNAL",
    async run(library, env): Promise<void> {
      equal(await identityOf(library, env, { mechanisms: [library.sasl.external({ authzid: "alice" })] }), "alice by EXTERNAL");
    },
  },
  {
    name: "AUTH ANONYMOUS",
    async run(library, env): Promise<void> {
      equal(await identityOf(library, env, { mechanisms: [library.sasl.anonymous({ trace: "sirhc" })] }), "nobody, sirhc by ANONYMOUS");
    },
  },
];
