/** What is sent again where a window has failed: the one thing that no server in memory can bring about here. */
import { assertEquals } from "@std/assert";
import { Reply, SmtpConnectionError, SmtpReplyError } from "@posthorn/smtp";
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
  window: 8,
  due: 0,
};

Deno.test("mayRetry takes what was out of turn for the window's fault where it has failed, and for the message's where it has not", () => {
  const refused = (code: number) => new SmtpReplyError("no", { phase: "mail", reply: Reply.of(code, "no") });
  for (const code of [500, 502, 503]) assertEquals([mayRetry(job, refused(code), true), mayRetry(job, refused(code), false)], [true, false]);
  for (const code of [550, 451, 552]) assertEquals(mayRetry(job, refused(code), true), false);
  assertEquals(mayRetry({ ...job, after: 3 }, refused(503), true), false);
  const unknown = new SmtpConnectionError("disconnected", "gone", { phase: "data", delivery: "unknown" });
  assertEquals(mayRetry(job, unknown, true), false);
});
