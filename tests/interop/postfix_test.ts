/** The library against Postfix, with Dovecot for its logins. */
import { testServer } from "./suite.ts";

await testServer("postfix");
