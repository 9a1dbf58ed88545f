/** Posthorn in workerd. */
import { ways } from "./posthorn_ways.ts";
import { type Worker, worker } from "./worker_harness.ts";

const it: Worker = worker(ways);
export default it;
