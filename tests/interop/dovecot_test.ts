/** The library against Dovecot's submission and LMTP. */
import { testServer } from "./suite.ts";

await testServer("dovecot");
