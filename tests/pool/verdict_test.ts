/** What is sent again where a window has failed: the one thing that no server in memory can bring about here. */
import { assertEquals } from "@std/assert";
import { Reply, SmtpConnectionError, SmtpProtocolError, SmtpReplyError } from "@posthorn/smtp";
import type { Job } from "../../src/pool/job.ts";
import { mayRetry } from "../../src/pool/verdict.ts";
import { saying } from "../support/pool_server.ts";

const job: Job = {
  message: saying("1"),
  key: undefined,
  signal: undefined,
  withdrawn: undefined,
  resolve: () => {},
  reject: () => {},
  place: undefined,
  after: undefined,
  due: 0,
};

Deno.test("mayRetry takes a breach of the protocol for the window's fault where it has failed, and for an answer where it has not", () => {
  const breach = new SmtpProtocolError("out of turn", { phase: "mail" });
  assertEquals([mayRetry(job, breach, true), mayRetry(job, breach, false), mayRetry({ ...job, after: 3 }, breach, true)], [true, false, false]);
  const refused = new SmtpReplyError("no", { phase: "mail", reply: Reply.of(503, "no") });
  assertEquals(mayRetry(job, refused, true), false);
  const unknown = new SmtpConnectionError("disconnected", "gone", { phase: "data", delivery: "unknown" });
  assertEquals(mayRetry(job, unknown, true), false);
});
