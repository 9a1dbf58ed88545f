/** What is measured: the workloads, who takes part in each, and where. Goals are in claims.ts. */
import type { Task } from "./program.ts";

/** What the sink offers: PIPELINING in any case. */
export type Offer = "pipelining" | "chunking" | "starttls";

/** Someone who takes part in a workload. */
export interface Contender {
  /** As figures and claims name it; unique within its workload. */
  readonly name: string;
  /** The file in `programs/`, or `smtp-source`. */
  readonly program: string;
  readonly offer: Offer;
  /** What it is asked to do, all but where. */
  readonly task: Omit<Task, "port" | "authority">;
  /** How many messages a run sends; default as many as fit into the time of a run. */
  readonly messages?: number;
  /** Seconds that a run should take at least; default as long as that of everybody. */
  readonly seconds?: number;
  /** Milliseconds that a round trip takes; default what it takes. */
  readonly roundTrip?: number;
  /** Whether each run has a process of its own, for the sake of what its memory shows or since a second one would fail; default `false`. */
  readonly isIsolated?: boolean;
  /** Where it runs; default on every runtime of the workload. */
  readonly runtimes?: readonly string[];
}

/** One kind of work. */
export interface Workload {
  /** `W1` and so on. */
  readonly name: string;
  readonly title: string;
  readonly contenders: readonly Contender[];
  /** Where it is measured; default on every runtime. */
  readonly runtimes?: readonly string[];
  /** Whether it is measured on two processors as well; default `false`. */
  readonly isSplitToo?: boolean;
}

const WITH_PROCESS = ["Deno", "Node 20", "Node 24", "Bun"];
/** Every runtime, in the order in which they are shown. */
export const RUNTIMES: readonly string[] = [...WITH_PROCESS, "workerd"];

const MIB = 1_048_576;

type More = Partial<Omit<Contender, "task">> & { readonly task?: Partial<Contender["task"]> };

function posthorn(name: string, way: string, offer: Offer, { task, ...more }: More = {}): Contender {
  return { name: `${name}, ${offer === "pipelining" ? "DATA" : "BDAT"}`, program: "posthorn", offer, task: { way, ...task }, ...more };
}

function peer(name: string, program: string, way: string, { task, ...more }: More = {}): Contender {
  return { name, program, offer: "pipelining", task: { way, ...task }, runtimes: WITH_PROCESS, ...more };
}

const OFFERS = ["pipelining", "chunking"] as const;

/** No client: what the goals of small messages have above them on this machine. */
function bare(way: string, task: Partial<Contender["task"]> = {}): Contender {
  return peer(`bare loop, ${way}`, "bare_loop", way, { offer: way === "BDAT" ? "chunking" : "pipelining", task });
}
const WINDOW = 8;

const small: Workload = {
  name: "W1",
  title: "1 KiB, one connection",
  isSplitToo: true,
  contenders: [
    ...OFFERS.flatMap((offer) => [
      posthorn("send", "send", offer),
      posthorn("sendAll", "sendAll", offer),
      posthorn(`sendAll, window ${WINDOW}`, "sendAll", offer, { task: { window: WINDOW } }),
    ]),
    bare("DATA"),
    bare("DATA, riding"),
    bare("BDAT"),
    peer("nodemailer, connection", "nodemailer", "connection"),
    peer("nodemailer, pool of 1, ready-made", "nodemailer", "pool, ready-made", { task: { connections: 1 } }),
    peer("nodemailer, pool of 1, composing", "nodemailer", "pool, composing", { task: { connections: 1 } }),
    peer("emailjs", "emailjs", "send"),
    peer("upyo", "upyo", "send"),
    // It never clears its timers, and workerd takes 10,000 of them.
    peer("worker-mailer", "worker_mailer", "send", { runtimes: ["workerd"], isIsolated: true, messages: 1_000 }),
    // Its start is part of its time, so that a short run would say nothing.
    peer("smtp-source", "smtp-source", "send", { seconds: 0.8 }),
  ],
};

const fresh: Workload = {
  name: "W2",
  title: "1 KiB, a fresh connection each",
  runtimes: WITH_PROCESS,
  contenders: [
    ...OFFERS.map((offer) => posthorn("connect, send, quit", "fresh", offer)),
    peer("nodemailer, connection", "nodemailer", "fresh"),
  ],
};

const POOL = { connections: 20 };
const POOLED = { messages: 10_000 };

const pool: Workload = {
  name: "W3",
  title: "10,000 of 1 KiB, a pool of 20",
  runtimes: WITH_PROCESS,
  isSplitToo: true,
  contenders: [
    ...OFFERS.flatMap((offer) => [
      posthorn("pool", "pool", offer, { ...POOLED, task: POOL }),
      posthorn(`pool, window ${WINDOW}`, "pool", offer, { ...POOLED, task: { ...POOL, window: WINDOW } }),
    ]),
    peer("nodemailer, pool, ready-made", "nodemailer", "pool, ready-made", { ...POOLED, task: POOL }),
    peer("smtp-source", "smtp-source", "send", { ...POOLED, task: POOL }),
  ],
};

const RECIPIENTS = { recipients: 100 };

const many: Workload = {
  name: "W4",
  title: "1 KiB to 100 recipients, one connection",
  runtimes: WITH_PROCESS,
  isSplitToo: true,
  contenders: [
    ...OFFERS.map((offer) => posthorn("send", "send", offer, { task: RECIPIENTS })),
    bare("DATA", RECIPIENTS),
    bare("BDAT", RECIPIENTS),
    peer("nodemailer, connection", "nodemailer", "connection", { task: RECIPIENTS }),
  ],
};

function streaming(name: string, title: string, octets: number, more: More): Workload {
  const streamed = { ...more, task: { octets } };
  return {
    name,
    title,
    contenders: [
      ...OFFERS.map((offer) => posthorn("send", "stream", offer, streamed)),
      peer("raw copy", "raw_copy", "copy", { ...streamed, offer: "chunking", runtimes: RUNTIMES }),
      peer("nodemailer, connection", "nodemailer", "stream", streamed),
    ],
  };
}

const secure: Workload = {
  name: "W6",
  title: "1 KiB, a fresh connection each, STARTTLS",
  runtimes: WITH_PROCESS,
  contenders: [
    posthorn("connect, send, quit", "fresh", "starttls"),
    peer("nodemailer, connection", "nodemailer", "fresh", { offer: "starttls" }),
  ],
};

const MANY = 1_000;

/** What has one message under way, and few, since each takes its time. */
const FEW = 10;

function far(roundTrip: number): Workload {
  const few = { roundTrip, messages: FEW };
  const many = { roundTrip, messages: MANY };
  return {
    name: `W7 ${roundTrip} ms`,
    title: `1 KiB, a round trip of ${roundTrip} ms`,
    runtimes: ["Deno", "Node 24", "Bun"],
    contenders: [
      ...OFFERS.flatMap((offer) => [
        posthorn("send", "send", offer, few),
        posthorn("sendAll", "sendAll", offer, few),
        posthorn("sendAll, window 8", "sendAll", offer, { ...few, task: { window: 8 }, messages: 4 * FEW }),
      ]),
      posthorn("sendAll, window 32", "sendAll", "chunking", { ...many, task: { window: 32 } }),
      posthorn("sendAll, window 64", "sendAll", "chunking", { ...many, task: { window: 64 } }),
      posthorn("pool of 20", "pool", "chunking", { ...many, task: POOL }),
      peer("nodemailer, connection", "nodemailer", "connection", few),
      peer("nodemailer, pool of 20, ready-made", "nodemailer", "pool, ready-made", { ...many, task: POOL }),
    ],
  };
}

/** All of them, apart from W8, which sends nothing. */
export const workloads: readonly Workload[] = [
  small,
  fresh,
  pool,
  many,
  streaming("W5", "50 MiB, streamed", 50 * MIB, { messages: 4 }),
  streaming("W5 1 GiB", "1 GiB, streamed", 1024 * MIB, { messages: 1, isIsolated: true }),
  secure,
  far(20),
  far(50),
  far(100),
];

/** Where a workload is measured. */
export function runtimesOf({ runtimes = RUNTIMES }: Workload): readonly string[] {
  return runtimes;
}

/** Who takes part in a workload on a runtime. */
export function contendersOn({ contenders }: Workload, runtime: string): readonly Contender[] {
  return contenders.filter(({ runtimes = RUNTIMES }) => runtimes.includes(runtime));
}
