/** What a proof has at hand: one service of a running server, clients of it, letters to send, and the mail on its disk. */
import { assert } from "@std/assert";
import { connect, type ConnectOptions, type SendResult, type SmtpClient, type TraceEvent } from "@posthorn/smtp";
import type { RunningServer } from "./running_server.ts";
import { type Service, USER } from "./servers.ts";

/** A message that can be told from every other. */
export interface Letter {
  /** Stands in its header, and nowhere else. */
  readonly token: string;
  readonly text: string;
}

/** Command lines as they were written, secrets left out; those with one number left in one write. */
export type Line = TraceEvent & { readonly type: "send" };

/** A letter from alice with `body` behind its header, and `subject` in it. */
export function letter(body = "Hello.\r\n", subject = "hello"): Letter {
  const token = crypto.randomUUID();
  const fields = [
    "From: Alice <alice@x.test>",
    "To: Alice <alice@x.test>",
    `Subject: ${subject}`,
    "Date: Thu, 01 Jan 2026 00:00:00 +0000",
    `Message-ID: <${token}@client.test>`,
  ];
  return { token, text: `${fields.join("\r\n")}\r\n\r\n${body}` };
}

/** A field at the beginning of a header, and its name. */
const FIELD = /^([\w-]+):[^\n]*\n(?:[ \t][^\n]*\n)*/;

/** One character for each octet. */
export function asCharacters(octets: Uint8Array): string {
  return Array.from(octets, (octet) => String.fromCharCode(octet)).join("");
}

export class Bench {
  readonly service: Service;
  readonly server: RunningServer;

  constructor(service: Service, server: RunningServer) {
    this.service = service;
    this.server = server;
  }

  /** Options of a connection to the service: STARTTLS, or nothing with LMTP, the authority of the run, and login where there is no mail without. */
  options(more: Partial<ConnectOptions> = {}): ConnectOptions {
    const { port, tlsPort = port, protocol, wantsLogin } = this.service;
    return {
      hostname: "localhost",
      port: this.server.port + (more.tls === "implicit" ? tlsPort : port),
      tlsOptions: { caCerts: [this.server.authority] },
      name: "client.test",
      ...(protocol === "lmtp" && { protocol, tls: "none" }),
      ...(wantsLogin && { auth: USER }),
      ...more,
    };
  }

  /** A client of the service. */
  async connect(more?: Partial<ConnectOptions>): Promise<SmtpClient> {
    return await connect(this.options(more));
  }

  /** A client of the service that has not logged in, whether the service wants it or not. */
  async connectAsNobody(): Promise<SmtpClient> {
    const { auth: _, ...options } = this.options();
    return await connect(options);
  }

  /** A client of the service, and the lines that it writes. */
  async traced(more?: Partial<ConnectOptions>): Promise<{ readonly client: SmtpClient; readonly lines: readonly Line[] }> {
    const lines: Line[] = [];
    const client = await this.connect({ ...more, trace: (event) => event.type === "send" && lines.push(event) });
    return { client, lines };
  }

  /** Sends a letter to alice, and waits until the server has stored it, octet by octet as it was sent. */
  async deliver(client: SmtpClient, sent: Letter = letter()): Promise<SendResult> {
    const result = await client.send({ from: "alice@x.test", to: "alice@x.test", body: sent.text });
    await this.assertStored(sent, "alice");
    return result;
  }

  /** Waits until the server has stored a letter in `mailbox`, or, without one, in any, and asserts that it is `octets`, by default the letter's own. */
  async assertStored({ token, text }: Letter, mailbox?: string, octets: Uint8Array = new TextEncoder().encode(text)): Promise<void> {
    const { message } = this.parted(await this.server.stored(token, mailbox));
    const sent = asCharacters(octets);
    // Not assertEquals: what it shows of a large message would be larger.
    const at = sent === message ? -1 : sent.split("").findIndex((character, index) => character !== message[index]);
    assert(
      sent === message,
      `stored otherwise from octet ${at} on: ${JSON.stringify(message.slice(at, at + 80))}, not ${JSON.stringify(sent.slice(at, at + 80))}`,
    );
  }

  /** A stored message in its two parts, one character for each octet and lines ended by CRLF: the fields that the service put before it, and itself. */
  parted(octets: Uint8Array): { readonly added: string; readonly message: string } {
    const { adds, lineEnds } = this.service.storage;
    const stored = asCharacters(octets);
    const text = lineEnds === "CRLF" ? stored : stored.replaceAll("\n", "\r\n");
    let at = 0;
    for (;;) {
      const [field = "", name = ""] = FIELD.exec(text.slice(at)) ?? [];
      if (!adds.includes(name)) return { added: text.slice(0, at), message: text.slice(at) };
      at += field.length;
    }
  }
}
