/** The raw copy on a runtime that has a process. */
import { serve } from "./harness.ts";
import { ways } from "./raw_copy_ways.ts";

await serve(ways);
