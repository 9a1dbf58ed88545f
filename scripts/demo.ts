/**
 * The main job, shown: `deno task demo` starts a mail server in this process, with TLS and AUTH, sends it a real message over STARTTLS for two
 * recipients of whom one is refused, prints the conversation, and checks that the server stored the same bytes.
 *
 * `deno task demo --host mail.example.com --port 587 --user alice@example.com --to bob@example.com` does it with a server of yours (the password comes
 * from the variable SMTP_PASSWORD, or is asked for).
 */
import { parseArgs } from "node:util";
import { connect, type ConnectOptions, type SendResult, SmtpError, type TraceEvent } from "@posthorn/smtp";
import { Authority } from "../tests/support/certificates.ts";
import { MailServer, USER } from "../tests/support/mail_server.ts";

const color = (code: number) => (text: string) => Deno.noColor ? text : `\x1b[${code}m${text}\x1b[0m`;
const [red, green, yellow, cyan, dim] = [31, 32, 33, 36, 2].map(color) as [Paint, Paint, Paint, Paint, Paint];
type Paint = (text: string) => string;

/** Prints what happens, and counts the waits for the server. */
class Narrator {
  roundTrips = 0;
  #lastWrite = 0;
  #isWaiting = false;

  readonly trace = (event: TraceEvent): void => {
    switch (event.type) {
      case "connect":
        return console.log(dim(`   connected${event.secure ? " with TLS" : ", in the clear"}`));
      case "secure":
        return console.log(dim("   TLS stands, the certificate is checked"));
      case "send":
        return this.#wrote(event.write, cyan(event.line));
      case "content":
        return this.#wrote(event.write, cyan(`[${event.octets} octets of content]`));
      case "receive":
        this.#isWaiting = false;
        for (const line of event.lines) console.log(`${dim("S:")} ${/^[23]/.test(line) ? green(line) : red(line)}`);
        return;
      case "close":
        return console.log(dim(`   ${event.reason}`));
    }
  };

  #wrote(write: number, text: string): void {
    if (!this.#isWaiting) this.roundTrips++;
    this.#isWaiting = true;
    console.log(`${dim("C:")} ${text}${write === this.#lastWrite ? dim("  (same write)") : ""}`);
    this.#lastWrite = write;
  }
}

async function send(options: ConnectOptions, from: string, to: readonly string[], body: Uint8Array): Promise<SendResult> {
  const narrator = new Narrator();
  await using client = await connect({ ...options, trace: narrator.trace });
  const before = narrator.roundTrips;
  const result = await client.send({ from, to, body });
  const spent = narrator.roundTrips - before;
  console.log();
  for (const { address, reply } of result.accepted) console.log(`${green("accepted")}  ${address}  ${dim(String(reply))}`);
  for (const { address, reply } of result.rejected) console.log(`${red("rejected")}  ${address}  ${dim(String(reply))}`);
  console.log(`${green("delivered")} ${result.reply}${result.queueId === undefined ? "" : `, queued as ${yellow(result.queueId)}`}`);
  console.log(`round trips: ${before} to connect, say hello, start TLS and log in; ${spent} for the message\n`);
  return result;
}

async function againstEmbeddedServer(body: Uint8Array): Promise<void> {
  const authority = await Authority.create();
  await using server = await MailServer.start(await authority.leaf(["localhost"]));
  const options = { hostname: "localhost", port: server.port, auth: USER, tlsOptions: { caCerts: [authority.cert] } };
  const { accepted, rejected } = await send(options, "zoe@posthorn.example", ["andre@posthorn.example", "reject@posthorn.example"], body);
  const [stored] = server.messages;
  const isSame = stored !== undefined && stored.bytes.length === body.length && stored.bytes.every((octet, index) => octet === body[index]);
  if (!isSame || !stored.isSecure || accepted.length !== 1 || rejected.length !== 1) throw new Error("the server did not store what was sent");
  console.log(green(`The server stored the same ${stored.bytes.length} bytes, sent over TLS by ${stored.user}.`));
}

async function againstServerOfTheUser(values: Record<string, string | undefined>, body: Uint8Array): Promise<void> {
  const { host = "", port, user, from = user, to = user } = values;
  if (from === undefined || to === undefined) throw new TypeError("say --user, or --from and --to");
  const password = user === undefined ? null : Deno.env.get("SMTP_PASSWORD") ?? prompt(`Password of ${user}:`);
  const options: ConnectOptions = {
    hostname: host,
    ...(port !== undefined && { port: Number(port) }),
    ...(user !== undefined && password !== null && { auth: { username: user, password } }),
  };
  await send(options, from, to.split(","), body);
}

const args = Deno.args.filter((arg) => arg !== "--");
const string = { type: "string" } as const;
const { values } = parseArgs({ args, options: { host: string, port: string, user: string, from: string, to: string } });
const body = await Deno.readFile(new URL("../examples/message.eml", import.meta.url));
try {
  await (values.host === undefined ? againstEmbeddedServer(body) : againstServerOfTheUser(values, body));
} catch (error) {
  if (!(error instanceof SmtpError)) throw error;
  console.error(red(`${error.name}: ${error.message}`));
  console.error(dim(`kind ${error.kind}, phase ${error.phase}, delivery ${error.delivery}`));
  Deno.exitCode = 1;
}
