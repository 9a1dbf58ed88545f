/** The library against Exim. */
import { testServer } from "./suite.ts";

await testServer("exim");
