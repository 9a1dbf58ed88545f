/** What an error of a message means for the pool: whether the message may be sent again, and whether the server asks for less. */
import { SmtpConnectionError, SmtpError, SmtpProtocolError, SmtpReplyError, SmtpUnsupportedError } from "../errors.ts";
import type { Job } from "./job.ts";

/**
 * Whether `job` may be sent once more: it is surely not sent, what befell it is a matter of the connection and not of the message, it was not sent again
 * before, somebody waits for it, and its content is still there. Where the window has failed on its connection, so is a breach of the protocol.
 */
export function mayRetry(job: Job, error: unknown, hasWindowFailed: boolean): boolean {
  if (job.after !== undefined || !(error instanceof SmtpError) || error.delivery !== "not-sent") return false;
  const isOfWindow = hasWindowFailed && error instanceof SmtpProtocolError;
  if (!isOfConnection(error) && !isOfWindow) return false;
  if (job.signal?.aborted || job.withdrawn?.aborted) return false;
  // A stream that nobody has begun to read is still whole.
  const { body } = job.message;
  return !(body instanceof ReadableStream && body.locked);
}

function isOfConnection(error: SmtpError): boolean {
  if (error instanceof SmtpConnectionError) return error.kind === "disconnected" || error.kind === "timeout" || error.kind === "closed";
  // The server leaves before it has seen the content: what it says of that is its answer to the message.
  if (error instanceof SmtpReplyError) return error.code === 421 && (error.phase === "mail" || error.phase === "rcpt" || error.command === "DATA");
  // No room for another message on this connection (RFC 9422 section 4.1).
  return error instanceof SmtpUnsupportedError && error.transient && error.phase === "local";
}

/** Whether a server with this reply asks for less: it is leaving (421), for now it cannot (454), or it is its policy (4.7.x, RFC 3463 section 3.8). */
export function asksForLess({ code, enhancedCode }: Pick<SmtpError, "code" | "enhancedCode">): boolean {
  return code === 421 || code === 454 || (enhancedCode?.startsWith("4.7.") ?? false);
}
