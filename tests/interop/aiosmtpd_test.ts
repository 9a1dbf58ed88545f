/** The library against aiosmtpd. */
import { testServer } from "./suite.ts";

await testServer("aiosmtpd");
