/** C, as far as it needs no real TLS: what a server says around STARTTLS, and what of it counts. A socket in memory plays the handshake. */
import { assert, assertEquals } from "@std/assert";
import { type ConnectOptions, SmtpClient, SmtpPool, type TlsOptions } from "@posthorn/smtp";
import { BYE, connectTo, facts, openTo, reaching, rejection } from "../../support/client.ts";
import { directly } from "../../support/direct.ts";
import { settled } from "../../support/fake_clock.ts";
import { PoolServer } from "../../support/pool_server.ts";
import { ScriptedServer } from "../../support/script.ts";
import { DELIVERIES, type Fault, inEachDelivery } from "../fault.ts";

const auth = { username: "alice", password: "s3cret" };

const CLEAR = `
  S: 220 mx.example
  C: EHLO client.test
  S: 250-mx.example
  S: 250-STARTTLS
  S: 250-PIPELINING
  S: 250-SIZE 10
  S: 250-8BITMIME
  S: 250-LIMITS RCPTMAX=1 MAILMAX=1
  S: 250 AUTH PLAIN
`;
const ASKED = `${CLEAR}\nC: STARTTLS\n`;

/** What stands in the clear behind the 220, in the same segment or in the next. */
const INJECTED: readonly string[] = [
  "S: 250-mx.example\nS: 250 AUTH LOGIN",
  "S: 250-mx.example\nS: 250-AUTH LOGIN\nS: {part} 250-",
  "S: {part} 250-AUTH LOG",
  "S: {part} 2",
  "S: {octets} 0d",
  "S: {octets} 0d 0a",
  "S: {octets} 0a",
  "S: {octets} 00",
  "S: {octets} 16 03 01 00 05",
  "S: 220 go",
  "S: 421 4.3.2 farewell",
  "S: 235 ok\nS: 250 ok\nS: 250 ok\nS: 354 go\nS: 250 queued",
];

const injection: readonly Fault[] = [
  {
    name: "F22 What stands in the clear behind the 220 of STARTTLS ends the connection",
    run: async () => {
      for (const injected of INJECTED) {
        for (const isDirect of [false, true]) {
          const server = new ScriptedServer(`${ASKED}\nS: 220 go\n${injected}\nS: {silence}`);
          const dial = () => Promise.resolve(isDirect ? directly(server.socket()) : server.socket());
          const error = facts(await rejection(connectTo(server, { tls: "starttls", auth, dial })));
          const kinds = injected.includes("421") ? ["disconnected", ...(isDirect ? ["protocol"] : [])] : ["protocol"];
          // Read in small chunks, some of it has not been read when TLS begins: then it is the handshake that fails.
          assert([...kinds, ...(isDirect ? ["tls"] : [])].includes(`${error.kind}`), `${injected}: ${JSON.stringify(error)}`);
          assertEquals(error.delivery, "not-sent");
          assertEquals([server.writes.at(-1), server.isClosed, server.mismatch], ["STARTTLS\r\n", true, undefined], injected);
        }
      }
    },
  },
  {
    name: "F22 What comes behind the 220 in a segment of its own is for the handshake, and never for the session",
    run: async () => {
      for (const injected of INJECTED) {
        for (const delivery of DELIVERIES.slice(1)) {
          const server = new ScriptedServer(`${ASKED}\nS: 220 go\n${injected}\nS: {silence}`, delivery);
          const error = facts(await rejection(connectTo(server, { tls: "starttls", auth })));
          assertEquals([error.name, error.kind, error.delivery], ["SmtpSecurityError", "tls", "not-sent"], `${injected} by ${delivery}`);
          assertEquals([server.writes.at(-1), server.isClosed], ["STARTTLS\r\n", true]);
        }
      }
    },
  },
  {
    name: "F22 The low level starts no TLS either where something stands in the clear behind the 220",
    run: async () => {
      for (const injected of ["S: {part} 250-AUTH LOG", "S: {part} 2", "S: 250 x"]) {
        const server = new ScriptedServer(`${ASKED}\nS: 220 go\n${injected}\nS: {silence}`);
        const connection = await openTo(server);
        await connection.ehlo("client.test");
        assertEquals((await connection.startTls()).code, 220);
        const error = facts(await rejection(connection.upgrade()));
        assertEquals([error.kind, connection.isClosed, connection.isSecure, server.isClosed], ["protocol", true, false, true], injected);
        const next = facts(await rejection(connection.ehlo("client.test")));
        assert(["protocol", "closed"].includes(`${next.kind}`), JSON.stringify(next));
        assertEquals(server.writes.at(-1), "STARTTLS\r\n");
      }
    },
  },
  {
    name: "F23 A session that was played behind a 454 to STARTTLS is believed in nothing",
    run: async () => {
      for (const tls of ["starttls", "opportunistic"] as const) {
        for (const delivery of DELIVERIES) {
          const server = new ScriptedServer(`${ASKED}\nS: 454 no\nS: 235 ok\nS: 250 ok\nS: 250 ok\nS: 354 go\nS: 250 queued\nS: {silence}`, delivery);
          const error = facts(await rejection(connectTo(server, { tls, auth })));
          const isWhole = delivery === "whole";
          assertEquals(
            [error.code ?? error.kind, error.delivery],
            [isWhole || tls === "starttls" ? 454 : "insecure", "not-sent"],
            `${tls} by ${delivery}`,
          );
          await settled();
          assertEquals([server.received.includes("AUTH"), server.received.includes("MAIL"), server.isClosed], [false, false, true]);
        }
      }
    },
  },
  {
    name: "F23 A session that was played with the reply to EHLO ends before STARTTLS",
    run: async () => {
      const server = new ScriptedServer(`${CLEAR}\nS: 220 go\nS: 235 ok\nS: 250 ok\nS: {silence}`);
      const error = facts(await rejection(connectTo(server, { tls: "starttls", auth })));
      assertEquals([error.kind, server.writes, server.isClosed], ["protocol", ["EHLO client.test\r\n"], true]);
    },
  },
];

const refusal: readonly Fault[] = [
  {
    name: "F24 TLS is required by default: a server that does not offer STARTTLS gets no mail and no credentials",
    run: () =>
      inEachDelivery(
        `
        S: 220 mx.example STARTTLS
        C: EHLO client.test
        S: 250-STARTTLS mx.example
        S: 250-XSTARTTLS
        S: 250-START TLS
        S: 250-STARTTLSX
        S: 250-STARTTLS=yes
        S: 250 AUTH PLAIN
        ${BYE}`,
        async (server) => {
          const options = { hostname: "mx.example", name: "client.test", dial: server.dial, auth };
          const { connect } = await import("@posthorn/smtp");
          const error = facts(await rejection(connect(options)));
          assertEquals([error.name, error.kind, error.phase], ["SmtpSecurityError", "insecure", "starttls"]);
        },
      ),
  },
  {
    name: "F24 Only 220 starts a handshake",
    run: async () => {
      for (let code = 200; code < 600; code++) {
        if (code === 220) continue;
        const kind = code >= 400 ? "refused" : "protocol";
        const isPolite = code >= 400 && code !== 421;
        const server = new ScriptedServer(`${ASKED}\nS: ${code} no\n${isPolite ? BYE : code === 421 ? "S: {close}" : ""}`);
        const error = facts(await rejection(connectTo(server, { tls: "starttls", auth })));
        assertEquals([error.kind, error.phase, error.code], [kind, "starttls", code]);
        await settled();
        server.check();
      }
    },
  },
  {
    name: "F24 Opportunistic TLS is no TLS where STARTTLS is cut out or refused, and then nobody logs in by any mechanism",
    run: async () => {
      for (const mechanism of ["PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-256", "XOAUTH2"]) {
        const login = mechanism === "XOAUTH2" ? { username: "alice", accessToken: "t0ken" } : auth;
        const offer = `S: 220 mx\nC: EHLO client.test\nS: 250-mx\n`;
        for (const script of [`${offer}S: 250 AUTH ${mechanism}\n`, `${offer}S: 250-STARTTLS\nS: 250 AUTH ${mechanism}\nC: STARTTLS\nS: 454 no\n`]) {
          const server = new ScriptedServer(`${script}${BYE}`);
          const error = facts(await rejection(connectTo(server, { tls: "opportunistic", auth: login })));
          assertEquals([error.name, error.kind, error.phase], ["SmtpSecurityError", "insecure", "auth"], mechanism);
          await settled();
          server.check();
        }
      }
    },
  },
  {
    name: "F24 A handshake that fails is never gone on without, not with opportunistic TLS either",
    run: async () => {
      for (const tls of ["starttls", "opportunistic"] as const) {
        const server = new ScriptedServer(`${ASKED}\nS: 220 go\nS: {silence}`);
        const error = facts(await rejection(connectTo(server, { tls })));
        assertEquals([error.name, error.kind, server.writes.at(-1), server.isClosed], ["SmtpSecurityError", "tls", "STARTTLS\r\n", true]);
      }
    },
  },
];

const dropped: readonly Fault[] = [
  {
    name: "F26 What was offered in the clear counts for nothing behind TLS",
    run: () =>
      inEachDelivery(
        `${ASKED}
        S: 220 go
        C: {tls}
        C: EHLO client.test
        S: 250 mx.example
        C: MAIL FROM:<a@x.test>
        S: 250 ok
        C: RCPT TO:<b@y.test>
        S: 250 ok
        C: RCPT TO:<c@y.test>
        S: 250 ok
        C: DATA
        S: 354 go
        C: longer than ten octets
        C: .
        S: 250 ok
        ${BYE}`,
        async (server) => {
          await using client = await connectTo(server, { tls: "starttls" });
          assertEquals([client.extensions.size, client.extensions.maxSize, client.extensions.limit("RCPTMAX")], [0, undefined, undefined]);
          const error = facts(await rejection(client.send({ from: "a@x.test", to: "b@y.test", body: "ä" })));
          assertEquals([error.kind, error.phase], ["unsupported", "local"]);
          await client.send({ from: "a@x.test", to: ["b@y.test", "c@y.test"], body: "longer than ten octets" });
        },
      ),
  },
  {
    name: "F26 Credentials that can no longer be used behind TLS are an error before MAIL",
    run: async () => {
      for (
        const offer of ["S: 250 mx.example", "S: 250-mx.example\nS: 250 AUTH", "S: 250-mx.example\nS: 250 AUTH GSSAPI", "S: 502 what?", "S: 554 no"]
      ) {
        await inEachDelivery(`${ASKED}\nS: 220 go\nC: {tls}\nC: EHLO client.test\n${offer}\n${BYE}`, async (server) => {
          const error = facts(await rejection(connectTo(server, { tls: "starttls", auth })));
          assertEquals([error.kind, error.phase], offer.includes("250") ? ["unsupported", "auth"] : ["refused", "ehlo"], offer);
        });
      }
    },
  },
  {
    name: "F26 The low level knows nothing behind TLS either, be it from EHLO or set by hand, and says nothing before EHLO",
    run: () =>
      inEachDelivery(
        `${ASKED}
        S: 220 go
        C: {tls}
        C: EHLO client.test
        S: 250-mx.example
        S: 250 STARTTLS
        C: NOOP
        S: 250 ok
        C: RSET
        S: 250 ok
        ${BYE}`,
        async (server) => {
          await using connection = await openTo(server);
          await connection.ehlo("client.test");
          connection.setExtensions(["PIPELINING", "CHUNKING", "AUTH PLAIN", "STARTTLS"]);
          await connection.startTls();
          await connection.upgrade();
          assertEquals([connection.extensions.size, connection.state, connection.isAuthenticated], [0, "greeted", false]);
          const verbs = [() => connection.mail("a@x.test"), () => connection.auth("PLAIN"), () => connection.startTls(), () => connection.upgrade()];
          for (const verb of verbs) assertEquals(facts(await rejection(verb())).kind, "state");
          await connection.ehlo("client.test");
          // One TLS inside another is not for a server to ask for.
          assertEquals(facts(await rejection(connection.startTls())).kind, "state");
          assertEquals(facts(await rejection(new SmtpClient(connection).startTls())).kind, "state");
          await Promise.all([connection.noop(), connection.rset()]);
        },
      ),
  },
];

/** What one pool's connections are dialled with, and over which of them its messages go. */
function poolOf(server: PoolServer, tlsOptions: TlsOptions, dialled: TlsOptions[], more: ConnectOptions): SmtpPool {
  const { dial } = server.options();
  assert(dial !== undefined);
  return new SmtpPool({ ...server.options(), tlsOptions, ...more, dial: (options) => (dialled.push(options.tls), dial(options)) });
}

const identities: readonly Fault[] = [
  {
    name: "F29 Pools of the same host share no connection, and each dials with its own TLS options",
    run: async () => {
      const server = new PoolServer();
      const dialled: TlsOptions[] = [];
      const names = ["one.example", "two.example", undefined];
      for (let round = 0; round < 2; round++) {
        const pools = names.map((serverName) => poolOf(server, serverName === undefined ? {} : { serverName }, dialled, {}));
        for (const [index, pool] of pools.entries()) await pool.send({ from: "a@x.test", to: "b@y.test", body: `${index}` });
        for (const pool of pools) await pool.close();
      }
      assertEquals(dialled.map(({ serverName }) => serverName), [...names, ...names]);
      assertEquals(server.peers.map(({ messages }) => messages.length), Array(6).fill(1));
    },
  },
  {
    name: "F29 The name for the handshake is that of the options, or the host's, and never one of another connection",
    run: async () => {
      const asked: unknown[] = [];
      for (const serverName of ["one.example", undefined, "two.example", undefined]) {
        const server = new ScriptedServer(`${ASKED}\nS: 220 go\nC: {tls}\nC: EHLO client.test\nS: 250 mx\n${BYE}`);
        const socket = server.socket();
        const startTls: typeof socket.startTls = (options) => (asked.push(options.serverName), socket.startTls!(options));
        const dial = () => Promise.resolve({ ...socket, startTls });
        const { connect } = await import("@posthorn/smtp");
        await using _client = await connect(reaching(server, { tls: "starttls", dial, ...(serverName && { tlsOptions: { serverName } }) }));
      }
      assertEquals(asked, ["one.example", "mx.example", "two.example", "mx.example"]);
    },
  },
];

export const starttls: readonly Fault[] = [...injection, ...refusal, ...dropped, ...identities];
