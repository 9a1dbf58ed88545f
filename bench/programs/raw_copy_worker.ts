/** The raw copy in workerd. */
import { ways } from "./raw_copy_ways.ts";
import { type Worker, worker } from "./worker_harness.ts";

const it: Worker = worker(ways);
export default it;
