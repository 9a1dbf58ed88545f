/**
 * An SMTP client on Web Streams: every verb of the protocol, and the few helpers that most people need, freely mixed on one connection.
 *
 * {@linkcode connect} gives a client that is ready to send: TLS is required unless told otherwise, commands are pipelined where the server allows it,
 * and every error says whether the message may have been delivered.
 *
 * ```ts
 * import { connect } from "@posthorn/smtp";
 *
 * async function main(password: string): Promise<void> {
 *   await using client = await connect({ hostname: "mail.example.com", auth: { username: "alice", password } });
 *   const result = await client.send({
 *     from: "alice@example.com",
 *     to: ["bob@example.com", "carol@example.com"],
 *     body: "From: alice@example.com\r\nTo: bob@example.com\r\nSubject: Hello\r\n\r\nHello, Bob.\r\n",
 *   });
 *   for (const { address, reply } of result.rejected) console.log(address, `${reply}`);
 * }
 * ```
 *
 * @module
 */
export { type ClientOptions, type HelloOptions, type SendAllOptions, type SendOptions, type SignalOptions, SmtpClient } from "./src/client.ts";
export { connect } from "./src/connect.ts";
export type { BdatOptions, CallOptions, DotStuffOptions, PathOptions } from "./src/call.ts";
export { SmtpConnection } from "./src/connection.ts";
export {
  type Delivery,
  type RecipientReply,
  SmtpAuthError,
  SmtpBodyError,
  SmtpConnectionError,
  SmtpError,
  type SmtpErrorFacts,
  type SmtpErrorKind,
  type SmtpPhase,
  SmtpProtocolError,
  SmtpReplyError,
  SmtpSecurityError,
  SmtpStateError,
  SmtpUnsupportedError,
} from "./src/errors.ts";
export type { MessageBody } from "./src/body.ts";
export type { MessageExtension, Offer } from "./src/extensions/extension.ts";
export type { Message, Recipient, Transfer } from "./src/message.ts";
export type { Auth, ConnectionOptions, ConnectOptions, Protocol, TlsMode } from "./src/options.ts";
export type { SendOutcome } from "./src/outcome.ts";
export { type PoolSendAllOptions, type PoolSendOptions, SmtpPool } from "./src/pool.ts";
export type { PoolOptions, RateLimit } from "./src/pool/options.ts";
export type { PoolStats } from "./src/pool/stats.ts";
export type { PoolTrace, PoolTraceEvent, RetireReason } from "./src/pool/trace.ts";
export type { Messages } from "./src/send_all.ts";
export type { SendResult, TransactionResult } from "./src/transaction.ts";
export type { AccessTokenContext, Credentials, SaslContext, SaslExchange, SaslMechanism, TokenCredentials } from "./src/sasl/mechanism.ts";
export type { Clock } from "./src/session/clock.ts";
export type { SessionState } from "./src/session/state.ts";
export { DEFAULT_TIMEOUTS, type TimeoutName, type Timeouts } from "./src/session/timeouts.ts";
export type { Trace, TraceEvent } from "./src/session/trace.ts";
export { createDialer, dial } from "./src/transport/dial.ts";
export type { ChannelBinding, Dialer, DialOptions, DirectAccess, Socket, SocketInfo, StartTlsOptions, TlsOptions } from "./src/transport/socket.ts";
export type { EsmtpParameters } from "./src/wire/command.ts";
export { DotStuffer, type DotStufferOptions, type LineEndings } from "./src/wire/dot_stuffer.ts";
export { DotStuffingStream } from "./src/wire/dot_stuffing_stream.ts";
export { type EnhancedCode, formatEnhancedCode, parseEnhancedCode } from "./src/wire/enhanced_code.ts";
export { Extensions, parseEhlo } from "./src/wire/extensions.ts";
export { LineDecoder, type LineDecoderOptions } from "./src/wire/line_decoder.ts";
export { LineDecoderStream } from "./src/wire/line_decoder_stream.ts";
export { type Mailbox, type MailboxOptions, parseMailbox } from "./src/wire/path.ts";
export { Reply } from "./src/wire/reply.ts";
export { ReplyDecoder, type ReplyDecoderOptions } from "./src/wire/reply_decoder.ts";
export { ReplyDecoderStream } from "./src/wire/reply_decoder_stream.ts";
