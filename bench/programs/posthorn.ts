/** Posthorn on a runtime that has a process. */
import { serve } from "./harness.ts";
import { ways } from "./posthorn_ways.ts";

await serve(ways);
