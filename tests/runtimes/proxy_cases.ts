/** Going through proxies. */
import { type Case, equal, loginsTried, reaching, sendOne, tunnels } from "./case.ts";

/** It belongs to those that come first in the suite. */
export const proxyCertificates: readonly Case[] = [
  {
    name: "a certificate for the proxy and not for the host",
    needs: "TLS through a proxy",
    async run({ connect, proxy, SmtpSecurityError }, env): Promise<void> {
      const before = await loginsTried(env);
      const more = { auth: env.user, dial: proxy.socks5({ ...env.proxy, ...env.user }) };
      const tries = [
        reaching(env, env.ports.proxysName, { tls: "implicit", ...more }),
        reaching(env, env.ports.proxysNameStarttls, more),
      ];
      for (const options of tries) {
        const error = await connect(options).catch((error: unknown) => error);
        if (!(error instanceof SmtpSecurityError)) throw error;
        equal([error.kind, await loginsTried(env) - before], ["tls", 0]);
      }
    },
  },
];

/** With and without TLS. */
export const proxies: readonly Case[] = [
  {
    name: "through SOCKS5, no TLS",
    async run({ connect, proxy }, env): Promise<void> {
      const before = await tunnels(env);
      const dial = proxy.socks5({ ...env.proxy, ...env.user });
      await using client = await connect(reaching(env, env.ports.plain, { tls: "none", dial }));
      equal([(await sendOne(client, env)).isSecure, await tunnels(env) - before], [false, 1]);
    },
  },
  {
    name: "through HTTP CONNECT, no TLS",
    async run({ connect, proxy }, env): Promise<void> {
      const before = await tunnels(env);
      const dial = proxy.httpConnect({ ...env.proxy, ...env.user });
      await using client = await connect(reaching(env, env.ports.plain, { tls: "none", dial }));
      equal([(await sendOne(client, env)).isSecure, await tunnels(env) - before], [false, 1]);
    },
  },
  {
    name: "through SOCKS5, STARTTLS",
    needs: "TLS through a proxy",
    async run({ connect, proxy }, env): Promise<void> {
      const before = await tunnels(env);
      const dial = proxy.socks5({ ...env.proxy, ...env.user });
      await using client = await connect(reaching(env, env.ports.starttls, { auth: env.user, dial }));
      const { isSecure, user } = await sendOne(client, env);
      equal([isSecure, user, await tunnels(env) - before], [true, env.user.username, 1]);
    },
  },
  {
    name: "through HTTP CONNECT, implicit TLS",
    needs: "TLS through a proxy",
    async run({ connect, proxy }, env): Promise<void> {
      const before = await tunnels(env);
      const dial = proxy.httpConnect({ ...env.proxy, ...env.user });
      await using client = await connect(reaching(env, env.ports.implicit, { tls: "implicit", auth: env.user, dial }));
      const { isSecure, user } = await sendOne(client, env);
      equal([isSecure, user, await tunnels(env) - before], [true, env.user.username, 1]);
    },
  },
  {
    name: "through HTTP CONNECT, a proxy and a server that both speak TLS",
    needs: "TLS inside TLS",
    async run({ connect, proxy }, env): Promise<void> {
      const { tlsOptions = {} } = reaching(env, 0);
      const dial = proxy.httpConnect({ ...env.secureProxy, secure: true, tlsOptions });
      await using client = await connect(reaching(env, env.ports.implicit, { tls: "implicit", auth: env.user, dial }));
      equal((await sendOne(client, env)).isSecure, true);
      await using second = await connect(reaching(env, env.ports.starttls, { auth: env.user, dial }));
      equal((await sendOne(second, env)).isSecure, true);
    },
  },
  {
    name: "the header of the PROXY protocol, then STARTTLS",
    async run({ connect, proxy }, env): Promise<void> {
      const dial = proxy.proxyProtocol({ version: 1, source: "192.0.2.7:40000", destination: "198.51.100.1:25" });
      await using client = await connect(reaching(env, env.ports.proxyProtocol, { dial }));
      const { isSecure, client: source } = await sendOne(client, env);
      equal([isSecure, source], [true, "192.0.2.7"]);
    },
  },
];
