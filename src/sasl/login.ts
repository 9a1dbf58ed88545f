import { SmtpAuthError } from "../errors.ts";
import { encodeText } from "../wire/text.ts";
import { checkCredentials, refuseAuthzid } from "./credentials.ts";
import type { Credentials, SaslExchange, SaslMechanism } from "./mechanism.ts";

/**
 * LOGIN: name and password, each behind a prompt, for servers that know no better. The prompts are not read, since servers word them as they like.
 *
 * Source: draft-murchison-sasl-login-00.
 *
 * @throws {TypeError} When name or password is empty or has control characters, or when there is an `authzid`.
 *
 * @example
 * ```ts
 * import { login } from "@posthorn/smtp/sasl";
 *
 * login({ username: "alice", password: "s3cret" }).name; // "LOGIN"
 * ```
 */
export function login(credentials: Credentials): SaslMechanism {
  const { username, password, authzid } = checkCredentials(credentials);
  refuseAuthzid("LOGIN", authzid);
  return { name: "LOGIN", isPlaintext: true, start: () => exchange([encodeText(username), encodeText(password)]) };
}

function exchange(answers: readonly Uint8Array[]): SaslExchange {
  let given = 0;
  return {
    get isComplete(): boolean {
      return given === answers.length;
    },
    respond(): Uint8Array {
      const answer = answers[given++];
      if (answer === undefined) throw new SmtpAuthError("The server asks for more than a name and a password", { phase: "auth" });
      return answer;
    },
  };
}
