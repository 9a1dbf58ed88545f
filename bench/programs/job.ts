/** What a program is to send, and the content that all of them send. */

/** What to send, and where to. */
export interface Job {
  /** The name of one of the program's ways. */
  readonly way: string;
  readonly port: number;
  /** How many messages a run sends. */
  readonly messages: number;
  /** Recipients of each; default 1. */
  readonly recipients?: number;
  /** Octets of each, where they are streamed. */
  readonly octets?: number;
  /** Transactions in flight. */
  readonly window?: number;
  /** Connections of a pool. */
  readonly connections?: number;
  /** How content travels; default as the library likes it. */
  readonly transfer?: "data" | "bdat";
  /** The authority of the server's certificate, PEM. */
  readonly authority?: string;
}

export const HOST = "127.0.0.1";
/** The name in the server's certificate. */
export const TLS_NAME = "localhost";
export const CLIENT_NAME = "client.test";
export const FROM = "alice@example.com";
export const SUBJECT = "a benchmark";
const HEADER = [
  `From: Alice <${FROM}>`,
  "To: Bob <bob0@example.net>",
  `Subject: ${SUBJECT}`,
  "Date: Thu, 01 Jan 2026 00:00:00 +0000",
  "Message-ID: <0123456789abcdef@example.com>",
  "MIME-Version: 1.0",
  "Content-Type: text/plain; charset=us-ascii",
].join("\r\n");
const LINE = "The quick brown fox jumps over the lazy dog, and the dog sleeps on.\r\n";
const LENGTH = 1024;
const CHUNK = 65_536;

/** The text of a message that the library composes. */
export const TEXT: string = LINE.repeat(Math.ceil(LENGTH / LINE.length)).slice(0, LENGTH - HEADER.length - 6) + "\r\n";
/** A message of 1 KiB, ready to be sent. */
export const MESSAGE: string = `${HEADER}\r\n\r\n${TEXT}`;

/** The recipients of a message. */
export function recipients({ recipients = 1 }: Job): string[] {
  return Array.from({ length: recipients }, (_, index) => `bob${index}@example.net`);
}

/** `length` octets of lines in chunks of 64 KiB. All chunks are one: what a source throws away is not what is measured. */
export function streamed(length: number): ReadableStream<Uint8Array> {
  const chunk = new TextEncoder().encode(LINE.repeat(Math.ceil(CHUNK / LINE.length))).subarray(0, CHUNK);
  // The last line of a chunk goes on in the next.
  let left = length;
  return new ReadableStream({
    pull(controller): void {
      if (left <= 0) return controller.close();
      const part = chunk.subarray(0, Math.min(left, CHUNK));
      left -= part.length;
      controller.enqueue(part);
    },
  }, { highWaterMark: 0 });
}
