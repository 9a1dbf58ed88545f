/** The library against npm's smtp-server, in a process of its own. */
import { testServer } from "./suite.ts";

await testServer("smtpServer");
