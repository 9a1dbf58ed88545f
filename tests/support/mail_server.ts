/** A real mail server in this process: npm's smtp-server, with TLS, AUTH, refusals by recipient and a size limit. It keeps the bytes it receives. */
import { Buffer } from "node:buffer";
// @ts-types="@types/smtp-server"
import { SMTPServer, type SMTPServerOptions } from "smtp-server";
import type { Leaf } from "./certificates.ts";

/** One message as the server stored it. */
export interface StoredMessage {
  readonly from: string;
  readonly to: readonly string[];
  readonly bytes: Uint8Array;
  readonly isSecure: boolean;
  readonly user: string | undefined;
  /** The client's address, as the server believes it to be. */
  readonly client: string;
  /** The parameters of MAIL. */
  readonly parameters: Readonly<Record<string, string | boolean>>;
}

export const USER = { username: "alice", password: "s3cret pässwörd" };

export class MailServer implements AsyncDisposable {
  readonly #server: SMTPServer;
  readonly messages: StoredMessage[] = [];
  /** Every login that was tried: mechanism, name, password. */
  readonly logins: string[] = [];
  port = 0;

  private constructor(leaf: Leaf, options: SMTPServerOptions) {
    this.#server = new SMTPServer({
      ...leaf,
      name: "mail.test",
      authOptional: true,
      size: 10_000_000,
      disableReverseLookup: true,
      closeTimeout: 100,
      logger: false,
      onAuth: ({ method, username, password }, _session, callback) => {
        this.logins.push(`${method} ${username} ${password}`);
        const isRight = username === USER.username && password === USER.password;
        if (isRight) callback(null, { user: username });
        else callback(Object.assign(new Error("bad credentials"), { responseCode: 535 }));
      },
      onRcptTo: ({ address }, _session, callback) => {
        const code = /^reject/.test(address) ? 550 : /^defer/.test(address) ? 450 : undefined;
        callback(code === undefined ? null : Object.assign(new Error("no mail for them"), { responseCode: code }));
      },
      onData: (stream, session, callback) => {
        const chunks: Buffer[] = [];
        stream.on("data", (chunk) => chunks.push(chunk));
        stream.on("end", () => {
          if (stream.sizeExceeded) return callback(Object.assign(new Error("too big"), { responseCode: 552 }));
          const { mailFrom, rcptTo } = session.envelope;
          this.messages.push({
            from: mailFrom === false ? "" : mailFrom.address,
            to: rcptTo.map(({ address }) => address),
            bytes: new Uint8Array(Buffer.concat(chunks)),
            isSecure: session.secure,
            user: typeof session.user === "string" ? session.user : undefined,
            client: session.remoteAddress,
            parameters: mailFrom === false ? {} : { ...mailFrom.args },
          });
          callback(null, `queued as TEST${this.messages.length}`);
        });
      },
      ...options,
    });
    // A client that gives up is part of many tests.
    this.#server.on("error", () => {});
  }

  /** Starts a server on a free port of the loopback. */
  static async start(leaf: Leaf, options: SMTPServerOptions = {}): Promise<MailServer> {
    const server = new MailServer(leaf, options);
    await new Promise<void>((resolve) => server.#server.listen(0, "127.0.0.1", () => resolve()));
    const address = server.#server.server.address();
    if (address === null || typeof address === "string") throw new Error("the server has no port");
    server.port = address.port;
    return server;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }
}
