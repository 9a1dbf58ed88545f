/** A session whose login takes several rounds. It hashes outside of the program's own thread, which no clock of a test knows of. */
import type { Auth } from "@posthorn/smtp";
import { scram } from "../../../src/sasl/scram.ts";
import { scramMessages } from "../../support/scram.ts";
import { computing } from "./computing.ts";
import { apart, type CutSession, type Login, session, TWO_BY_DATA } from "./sessions.ts";

const SCRAM = {
  hash: "sha256",
  username: "alice",
  password: "s3cret",
  nonces: ["clientnonce", "servernonce"],
  salt: "W22ZaJ0SNY7soEsUEjb6gQ==",
  iterations: 4096,
} as const;

/** SCRAM with the nonce of the script. It says when it hashes. */
function scramOfScript(): Auth {
  const mechanism = scram("SHA-256", SCRAM, {}, () => SCRAM.nonces[0]);
  return {
    mechanisms: [{
      ...mechanism,
      start: async (context) => {
        const exchange = await mechanism.start(context);
        return new Proxy(exchange, {
          get(target, member): unknown {
            const value: unknown = Reflect.get(target, member, target);
            if (typeof value !== "function") return value;
            return async (...given: unknown[]): Promise<unknown> => {
              computing.underWay++;
              try {
                return await value.apply(target, given);
              } finally {
                computing.underWay--;
              }
            };
          },
        });
      },
    }],
  };
}

/** SCRAM-SHA-256: four messages and an empty one, each in base64. */
function scramLogin(): Login {
  const { clientFirst, serverFirst, clientFinal, serverFinal } = scramMessages(SCRAM);
  const text = apart(
    [`AUTH SCRAM-SHA-256 ${btoa(clientFirst)}`, [`334 ${btoa(serverFirst)}`]],
    [btoa(clientFinal), [`334 ${btoa(serverFinal)}`]],
    ["", ["235 2.7.0 welcome"]],
  );
  return { mechanism: "SCRAM-SHA-256", text, auth: scramOfScript() };
}

/** The same as {@linkcode data}, with a login of several rounds. */
export const scramFirst: CutSession = session("DATA behind SCRAM", TWO_BY_DATA, { login: scramLogin() });
