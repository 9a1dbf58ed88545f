/** The bare loop on a runtime that has a process. */
import { serve } from "./harness.ts";
import { ways } from "./bare_loop_ways.ts";

await serve(ways);
