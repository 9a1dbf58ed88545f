/** D: replies that nobody asked for, and farewells, at every place of a session. */
import { assert, assertEquals } from "@std/assert";
import { SmtpConnection, SmtpError } from "@posthorn/smtp";
import { facts, rejection } from "../../support/client.ts";
import { settled } from "../../support/fake_clock.ts";
import { ManualServer } from "../../support/manual.ts";
import { everywhere, PHASE_NAMES, PHASES, saying, sessionWith, USUAL } from "../../support/phases.ts";
import { bytes } from "../../support/splits.ts";
import type { Fault } from "../fault.ts";

const REFUSAL = "550 no";
/** What comes though nobody has asked. */
const EXTRA: readonly string[] = ["250 extra", "250-extra\r\n250 lines", "235 you are in", "354 go", REFUSAL, "220 mx", "334 more"];

const unasked: readonly Fault[] = [
  {
    name: "F46 One reply too many ends the connection, wherever it comes; what was delivered by then stays so",
    run: async () => {
      for (const extra of EXTRA) {
        await everywhere((place) => saying(`${USUAL[place]}\r\n${extra}\r\n`), (place, { error, result, server, client }) => {
          assertEquals(server.isClosed, true, `${extra} at ${place}`);
          if (place === "." || place === "QUIT") {
            assertEquals([error, result?.accepted.length, client?.isClosed], [undefined, 1, true], `${extra} at ${place}`);
          } else {
            // Behind a 354 a refusal is one of the content that was about to be written: F55 has more of it.
            const kind = place === "DATA" && extra === REFUSAL ? "refused" : "protocol";
            assertEquals([facts(error).kind, facts(error).delivery], [kind, "not-sent"], `${extra} at ${place}`);
          }
          // A command that was in the queue already may have been written; no content and no secret was.
          const behind = server.writes.slice(-1).join("");
          if (place === "DATA") assertEquals(behind.includes("hello") && result !== undefined, false);
        });
      }
    },
  },
  {
    name: "F46 Half a reply in front of a command ends the connection before the command is written",
    run: async () => {
      for (const place of ["greeting", "EHLO", "AUTH", "name", "password", "NOOP", "MAIL", "RCPT", "DATA"] as const) {
        const { error, after, server } = await sessionWith(place, saying(`${USUAL[place]}\r\n25`));
        assertEquals([facts(error).kind, facts(error).delivery, server.isClosed, after], ["protocol", "not-sent", true, []], place);
      }
    },
  },
  {
    name: "F46 A reply that comes while nothing is owed ends the connection, in every state in which it reads",
    run: async () => {
      for (const extra of EXTRA) {
        for (const [state, steps] of Object.entries(STATES)) {
          if (state === "data" && extra === REFUSAL) continue;
          const server = new ManualServer((text, server) => server.say(`${REPLIES.find(([begin]) => text.startsWith(begin))?.[1] ?? "250 ok"}\r\n`));
          const connection = await SmtpConnection.open(server.options());
          for (const step of steps) await step(connection);
          assertEquals(connection.state, state);
          const said = server.writes.length;
          server.say(`${extra}\r\n`);
          await settled();
          assertEquals([connection.isClosed, server.isClosed], [true, true], `${extra} in ${state}`);
          assertEquals([facts(await rejection(connection.rset())).kind, server.writes.length], ["protocol", said]);
        }
      }
    },
  },
  {
    name: "F46 A session that was played with the greeting is believed in nothing",
    run: async () => {
      const played = PHASES.slice(1).map((place) => `${USUAL[place]}\r\n`).join("");
      for (const place of PHASES.slice(0, -2)) {
        const { error, after, result } = await sessionWith(place, saying(`${USUAL[place]}\r\n${played}`));
        assertEquals(
          [facts(error).kind, facts(error).delivery, after.join("").includes("hello"), result],
          ["protocol", "not-sent", false, undefined],
          place,
        );
      }
    },
  },
];

/** How the low level comes to each state in which it reads though nothing is owed, in the clear: once it has been used for mail. */
const STATES: Readonly<Record<string, readonly ((connection: SmtpConnection) => Promise<unknown>)[]>> = {
  mail: [(c) => c.ehlo("x.test"), (c) => c.mail("a@x.test")],
  rcpt: [(c) => c.ehlo("x.test"), (c) => c.mail("a@x.test"), (c) => c.rcpt("b@y.test")],
  data: [(c) => c.ehlo("x.test"), (c) => c.mail("a@x.test"), (c) => c.rcpt("b@y.test"), (c) => c.data()],
  bdat: [(c) => c.ehlo("x.test"), (c) => c.mail("a@x.test"), (c) => c.rcpt("b@y.test"), (c) => c.bdat(bytes("x"))],
  ready: [(c) => c.ehlo("x.test"), (c) => c.mail("a@x.test"), (c) => c.rset()],
  auth: [(c) => c.ehlo("x.test"), (c) => c.mail("a@x.test"), (c) => c.rset(), (c) => c.auth("LOGIN")],
};
const REPLIES: readonly (readonly [begin: string, reply: string])[] = [["EHLO", "250-mx\r\n250 CHUNKING"], ["DATA", "354 go"], ["AUTH", "334 "], [
  "QUIT",
  "221 bye",
]];

const farewells: readonly Fault[] = [
  {
    name: "F47 A 421 at any place is temporary, keeps its words, and ends the connection without another word",
    run: async () => {
      await everywhere(() => saying("421-4.3.2 going down\r\n421 4.3.2 come again\r\n"), (place, { error, result, server, after }) => {
        assertEquals([server.isClosed, after], [true, []], place);
        if (place === "QUIT") return assertEquals(result?.accepted.length, 1);
        assert(error instanceof SmtpError);
        const { code, enhancedCode, transient, delivery, phase, reply } = error;
        assertEquals([code, enhancedCode, transient, delivery, phase], [421, "4.3.2", true, "not-sent", PHASE_NAMES[place]], place);
        assertEquals(reply?.text, "going down\ncome again");
      });
    },
  },
  {
    name: "F47 A 421 that nobody asked for is a farewell and no breach of the protocol, be it alone or behind a reply",
    run: async () => {
      const places = ["password", "NOOP", "MAIL", "RCPT", "."] as const;
      for (const place of places) {
        for (const isLater of [false, true]) {
          const { error, result, server, client } = await sessionWith(place, (server) => {
            server.say(`${USUAL[place]}\r\n${isLater ? "" : "421 4.3.2 bye\r\n"}`);
            if (isLater) server.say("421 4.3.2 bye\r\n");
          });
          assertEquals(server.isClosed, true);
          if (place === ".") assertEquals([error, result?.accepted.length, client?.isClosed], [undefined, 1, true]);
          else {
            const { code, transient, delivery } = facts(error);
            assertEquals([code, transient, delivery], [421, true, "not-sent"], `${place}: ${error}`);
          }
        }
      }
    },
  },
];

export const unaskedReplies: readonly Fault[] = [...unasked, ...farewells];
