/** The library against npm's Haraka. */
import { testServer } from "./suite.ts";

await testServer("haraka");
