/** What the two mechanisms for access tokens of OAuth 2.0 share: where the token comes from, and what a server says of one that it refuses. */
import { SmtpAuthError } from "../errors.ts";
import { decodeText, encodeText, printable } from "../wire/text.ts";
import { checkToken } from "./credentials.ts";
import type { SaslContext, SaslExchange, SaslMechanism, TokenCredentials } from "./mechanism.ts";

/** What a server may say of a token that it refuses: RFC 7628 section 3.2.2, and `schemes` of Google's. */
const DETAILS: readonly string[] = ["status", "scope", "schemes", "openid-configuration"];

/** How one of the mechanisms goes. */
interface TokenForm {
  readonly name: string;
  /** The client's message. */
  readonly message: (token: string, context: SaslContext) => string;
  /** What is answered to the server's error, so that it can say its final no. */
  readonly dummy: string;
}

/** The mechanism for `credentials`, which were checked, in one of the forms. */
export function tokenMechanism({ username, accessToken }: TokenCredentials, { name, message, dummy }: TokenForm): SaslMechanism {
  return {
    name,
    isPlaintext: true,
    isRenewable: typeof accessToken === "function",
    start: async (context) => {
      const { hostname, port, wasRefused, signal } = context;
      const given = typeof accessToken === "function" ? await accessToken({ username, hostname, port, wasRefused, signal }) : accessToken;
      const token = checkToken(given);
      return exchange(token, encodeText(message(token, context)), encodeText(dummy));
    },
  };
}

/** One message of ours; a challenge behind it is the server's error, in JSON. */
function exchange(token: string, initialResponse: Uint8Array, dummy: Uint8Array): SaslExchange {
  let details: Readonly<Record<string, string>> | undefined;
  return {
    initialResponse,
    get isComplete(): boolean {
      return details === undefined;
    },
    get details(): Readonly<Record<string, string>> | undefined {
      return details;
    },
    respond(challenge): Uint8Array {
      if (details !== undefined) throw new SmtpAuthError("The server has more to say than why it refuses the token", { phase: "auth" });
      details = detailsOf(challenge, token);
      return dummy;
    },
  };
}

/** The members of the error that are known; nothing where it is no JSON. A server that repeats the token does not get it into an error of ours. */
function detailsOf(challenge: Uint8Array | undefined, token: string): Readonly<Record<string, string>> {
  const entries: [string, string][] = [];
  for (const name of DETAILS) {
    const value: unknown = Reflect.get(parsed(challenge), name);
    if (typeof value === "string" || typeof value === "number") entries.push([name, printable(String(value).replaceAll(token, "***"))]);
  }
  return Object.fromEntries(entries);
}

function parsed(challenge: Uint8Array | undefined): object {
  try {
    return Object(JSON.parse(decodeText(challenge ?? new Uint8Array(0))));
  } catch {
    return {};
  }
}
