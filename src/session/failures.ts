/** Why a connection ends, told to each task in its own words. */
import {
  SmtpBodyError,
  SmtpConnectionError,
  SmtpError,
  type SmtpErrorFacts,
  SmtpProtocolError,
  SmtpSecurityError,
  SmtpUnsupportedError,
} from "../errors.ts";
import { messageOf } from "../transport/socket.ts";
import type { Reply } from "../wire/reply.ts";

/** Makes the error of a failure for one task. */
export type Failure = (facts: SmtpErrorFacts) => SmtpError;

/** The server is gone, or is going and says why. */
export function disconnected(facts: SmtpErrorFacts): SmtpConnectionError {
  const words = facts.reply === undefined ? "The server closed the connection" : `The server is closing the connection: ${facts.reply}`;
  return new SmtpConnectionError("disconnected", words, facts);
}

/**
 * The server has said its last word: 421, or the refusal of a message before its end, which no connection survives. The latter is for that message alone
 * and no code of anybody else's.
 */
export function endedWith(reply: Reply): Failure {
  if (reply.code === 421) return (facts) => disconnected({ ...facts, reply });
  const words = "The connection was closed in the middle of a message that the server refused";
  return (facts) => new SmtpConnectionError("disconnected", words, facts);
}

/** The server has not answered `label` in time, or, where nothing is to be answered, has taken no octets. */
export function timedOut(label: string | undefined): Failure {
  const what = label === undefined ? "The server took no octets for too long" : `The server took too long to answer ${label}`;
  return (facts) => new SmtpConnectionError("timeout", what, facts);
}

/** The server speaks, and nobody has asked: `reply`, or what is none yet. A 421 it may say at any time. */
export function unsolicited(reply: Reply | undefined): Failure {
  if (reply?.code === 421) return (facts) => disconnected({ ...facts, reply });
  const words = reply === undefined ? "" : `: ${reply}`;
  return (facts) => new SmtpProtocolError(`The server sent a reply that no command asked for${words}`, { ...facts, reply });
}

/** Whoever asked for the task has given it up. */
export function aborted(reason: unknown): Failure {
  return (facts) => new SmtpConnectionError("aborted", `${facts.command} was aborted`, { ...facts, cause: reason });
}

/** Somebody else has given up a command that was under way, and the connection with it. */
export function closedByAbort(reason: unknown): Failure {
  const message = "The connection was closed when a command under way was aborted";
  return (facts) => new SmtpConnectionError("closed", message, { ...facts, transient: true, cause: reason });
}

/** The error of a message's source that failed; content that breaks what was promised of it says so itself. */
export function sourceFailure(cause: unknown, facts: SmtpErrorFacts): SmtpError {
  if (cause instanceof SmtpUnsupportedError) return cause;
  return new SmtpBodyError("The message's source failed while it was sent", { ...facts, cause });
}

/** The error of a message's source that is too slow for any server. */
export function sourceTimeout(facts: SmtpErrorFacts): SmtpBodyError {
  return new SmtpBodyError("The message's source gave nothing for too long", facts);
}

/** A message's source failed in the middle of DATA, which can be left in no other way without the dot. */
export function closedBySource(error: SmtpError): Failure {
  return (facts) => new SmtpConnectionError("closed", "The connection was closed in the middle of a message", { ...facts, cause: error });
}

/** The same failure of TLS with other facts; whether it may pass is the socket's word. */
export function toldAnew({ kind, message, transient }: SmtpSecurityError, facts: SmtpErrorFacts): SmtpSecurityError {
  return new SmtpSecurityError(kind, message, { ...facts, transient });
}

/** The error of a handshake behind STARTTLS. A socket does not know what its handshake follows upon, so a failure of it is told anew. */
export function handshakeFailed(cause: unknown, facts: SmtpErrorFacts): SmtpError {
  if (cause instanceof SmtpSecurityError) return toldAnew(cause, { ...facts, cause: cause.cause });
  if (cause instanceof SmtpError) return cause;
  return new SmtpSecurityError("tls", `TLS could not be started: ${messageOf(cause)}`, { ...facts, cause });
}

/** The stream of replies has come to its end, by `cause` where there is one. What is no reply may be a secret itself, come back. */
export function endedBy(cause: unknown, mayBeSecret: boolean): Failure {
  if (cause instanceof SmtpProtocolError && mayBeSecret) return (facts) => new SmtpProtocolError("The server answered with what is no reply", facts);
  if (cause instanceof SmtpProtocolError) return (facts) => new SmtpProtocolError(cause.message, { ...facts, cause });
  // A platform may tell only now that its handshake has failed.
  if (cause instanceof SmtpSecurityError) return (facts) => toldAnew(cause, { ...facts, cause });
  return (facts) => disconnected({ ...facts, cause });
}
