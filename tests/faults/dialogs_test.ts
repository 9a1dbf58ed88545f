/**
 * Replays the dialogs of `dialogs.json`: what servers were seen to say, or could say, each with what a client must make of it. Every dialog is
 * delivered whole, by line and by byte. No wall clock: the deadlines stand on a clock that only the test moves.
 */
import { assert, assertEquals, assertInstanceOf } from "@std/assert";
import { connect, type ConnectOptions, type Credentials, DEFAULT_TIMEOUTS, type Extensions, type Message, type MessageBody } from "@posthorn/smtp";
import { deliverBy, priority } from "@posthorn/smtp/extensions";
import { type SendResult, SmtpAuthError, SmtpError, type TokenCredentials } from "@posthorn/smtp";
// Loaded beforehand: what is loaded in the middle of a dialog takes time of the real clock.
import "../../src/authenticate.ts";
import "@posthorn/smtp/sasl";
import "../../src/transport/node_crypto.ts";
import { type Cut, DialogServer, type Repeated, type Step, unfolded } from "../support/dialog_server.ts";
import { FakeClock, settled } from "../support/fake_clock.ts";

interface Dialog {
  readonly name: string;
  readonly client: Client;
  readonly steps: readonly Step[];
  readonly expectOutcome: Outcome;
}

interface Client {
  readonly from: string;
  readonly to: readonly string[];
  readonly name: string;
  readonly tls: "none" | "required";
  readonly message: string | Repeated;
  readonly auth?: { readonly user: string; readonly pass: string } | { readonly user: string; readonly accessToken: string };
  readonly mechanism?: string;
  readonly allowPlaintextAuth?: boolean;
  readonly timeoutMs?: number;
  /** Octets of each chunk in which the message comes. */
  readonly chunkSize?: number;
  readonly lmtp?: boolean;
  readonly deliverBy?: { readonly seconds: number; readonly trace: boolean };
  readonly priority?: number;
}

/** What must come of it; a member that is absent narrows nothing. */
interface Outcome {
  readonly result: "delivered" | "error";
  readonly accepted?: readonly string[];
  readonly rejected?: readonly string[];
  readonly rejectedTemporary?: readonly string[];
  readonly stage?: string;
  readonly code?: number;
  readonly enhanced?: string | null;
  readonly text?: string;
  readonly kind?: string;
  /** What the server said in the mechanism's own terms, among other things. */
  readonly detail?: Readonly<Record<string, string>>;
  readonly temporary?: boolean;
  readonly permanent?: boolean;
  readonly neverSends?: readonly string[];
  readonly neverSendsBody?: boolean;
  readonly neverReports?: "accepted";
  readonly wireBody?: string;
  readonly capabilities?: Readonly<Record<string, unknown>>;
  readonly maxMemoryMb?: number;
  readonly attempts?: number;
  /** Another message than the one of the client, in words. */
  readonly client?: string;
}

/** Dialogs that hold for one way of sending only, as their notes say, and that way. */
const WAYS: Readonly<Record<string, Partial<Message>>> = {
  // Its 354 answers DATA.
  "ehlo-every-extension": { transfer: "data" },
};

/** Dialogs whose message can be read once only: one that can be read again is carried into a further transaction (RFC 5321 section 4.5.3.1.10). */
const READ_ONCE: readonly string[] = ["rcpt-452-too-many"];

/** Milliseconds between the chunks of a message that is to come in chunks: more than gathered octets wait for more. */
const BETWEEN_CHUNKS = 2_000;
/** Milliseconds on the test's clock that such a message takes at most. */
const LONGEST = 20 * BETWEEN_CHUNKS;

/** Dialogs whose mechanism is not built, and why: there the client must give up before it says AUTH. */
const NEVER: Readonly<Record<string, string>> = {
  "auth-digest-md5-broken-server-proof-is-cancelled": "DIGEST-MD5 is historic, and no server should want it (RFC 6331)",
};

/** The members of an outcome that narrow it in this file; those of the last row are checked for every dialog, or are words for the reader. */
const CHECKED: readonly string[] = [
  ...["result", "accepted", "rejected", "rejectedTemporary", "stage", "code", "enhanced", "text", "kind", "temporary", "permanent"],
  ...["neverSends", "neverSendsBody", "neverReports", "wireBody", "capabilities", "maxMemoryMb", "attempts", "client", "detail"],
  ...["connectionReusable", "socketClosed", "notDelivered", "mustNotHang", "best", "minimum", "optional"],
];

/** The words of the dialogs for what the library calls otherwise. The rest is the same in both, or is said with more than a word. */
const KINDS: Readonly<Record<string, string>> = {
  "protocol": "protocol",
  "disconnected": "disconnected",
  "timeout": "timeout",
  "size": "too-large",
  "smtputf8-missing": "unsupported",
  "no-mechanism": "unsupported",
  "outcome-unknown": "disconnected",
  "temporary": "refused",
  "permanent": "refused",
};

/** Turns of the event loop in which nothing moves until a dialog in memory is taken to hang. */
const PATIENCE = 50;

const { dialogs }: { readonly dialogs: readonly Dialog[] } = JSON.parse(Deno.readTextFileSync(new URL("dialogs.json", import.meta.url)));

/** What the client made of a dialog. */
interface Ending {
  readonly result?: SendResult;
  readonly error?: unknown;
  readonly extensions?: Extensions | undefined;
}

for (const dialog of dialogs) {
  const why = NEVER[dialog.name];
  if (why !== undefined) {
    register(`dialog ${dialog.name}, given up since ${why}`, unsaid(dialog), 0);
    continue;
  }
  register(`dialog ${dialog.name}`, dialog, 0);
  // What comes unasked may also come while nothing is under way, and not only behind the next commands.
  const hasExtra = dialog.steps.some(({ extra }) => extra !== undefined);
  if (hasExtra) register(`dialog ${dialog.name}, with a client that takes its time`, dialog, 2);
}

Deno.test("the dialogs that are named here are there, each dialog has a name of its own, and nothing that they expect is passed over", () => {
  const names = dialogs.map(({ name }) => name);
  assertEquals([...Object.keys({ ...WAYS, ...NEVER }), ...READ_ONCE].filter((name) => !names.includes(name)), []);
  assertEquals(new Set(names).size, names.length);
  const members = dialogs.filter(({ name }) => NEVER[name] === undefined).flatMap(({ expectOutcome }) => Object.keys(expectOutcome));
  assertEquals([...new Set(members)].filter((member) => !CHECKED.includes(member)), []);
});

function register(name: string, dialog: Dialog, pause: number): void {
  for (const cut of ["whole", "line", "byte"] as const) {
    Deno.test(`${name} (replies ${cut === "whole" ? cut : `by ${cut}`})`, () => replay(dialog, cut, pause));
  }
}

/** `dialog` up to AUTH, for a client that has no such mechanism. */
function unsaid({ steps, ...dialog }: Dialog): Dialog {
  const end = steps.findIndex(({ expect }) => expect?.startsWith("^AUTH"));
  return { ...dialog, steps: steps.slice(0, end), expectOutcome: { result: "error", kind: "no-mechanism", neverSends: ["^AUTH", "^MAIL"] } };
}

/** Replays `dialog` with a client that waits `pause` turns of the event loop before it sends. */
async function replay(dialog: Dialog, cut: Cut, pause: number): Promise<void> {
  const { client: { timeoutMs }, expectOutcome: expected } = dialog;
  const server = new DialogServer(dialog.steps, cut);
  const clock = new FakeClock();
  let ending: Ending | undefined;
  converse(dialog, server, clock, pause).then((reached) => ending = reached);
  for (let idle = 0, moved = -1; idle < PATIENCE && ending === undefined; idle++) {
    await settled();
    if (moved !== server.moved) idle = 0;
    moved = server.moved;
    if (dialog.client.chunkSize === undefined || idle < PATIENCE / 2 || clock.now() > LONGEST) continue;
    await clock.advance(BETWEEN_CHUNKS / 2);
    idle = 0;
  }
  if (timeoutMs !== undefined) {
    assertEquals(ending, undefined, "it ended before its time was over");
    await clock.advance(timeoutMs);
    await settled();
  }
  // What is said late is said before the test ends.
  await settled();
  assert(ending !== undefined, "it hangs");
  assertEquals(server.mismatch, undefined);
  if (expected.result === "delivered") assertDelivered(ending, expected, server);
  else assertFailed(ending, expected);
  assertSaid(server, expected, message(dialog));
  assertCapabilities(ending.extensions, expected);
  assertEquals(clock.pending, 0, "it left a timer");
}

async function converse({ client, ...dialog }: Dialog, server: DialogServer, clock: FakeClock, pause: number): Promise<Ending> {
  let offered: Extensions | undefined;
  try {
    await using connected = await connect(optionsOf(client, server, clock));
    offered = connected.extensions;
    for (let turn = 0; turn < pause; turn++) await settled();
    const { from, to } = client;
    const extensions = [
      ...(client.deliverBy ? [deliverBy({ ...client.deliverBy, onExpiry: "return" })] : []),
      ...(client.priority ? [priority(client.priority)] : []),
    ];
    const result = await connected.send({ from, to, body: body({ client, ...dialog }, clock), extensions, ...WAYS[dialog.name] });
    return { result, extensions: offered };
  } catch (error) {
    return { error, extensions: offered };
  }
}

function optionsOf(
  { name, tls, lmtp, auth, mechanism, allowPlaintextAuth, timeoutMs }: Client,
  server: DialogServer,
  clock: FakeClock,
): ConnectOptions {
  return {
    hostname: "mx.example",
    name,
    tls: tls === "required" ? "starttls" : tls,
    dial: server.dial,
    clock,
    ...(lmtp && { protocol: "lmtp" }),
    ...(auth && { auth: { ...credentials(auth), ...(mechanism !== undefined && { forceMechanism: mechanism }) } }),
    ...(allowPlaintextAuth !== undefined && { allowCleartextAuth: allowPlaintextAuth }),
    ...(timeoutMs !== undefined && { timeouts: Object.fromEntries(Object.keys(DEFAULT_TIMEOUTS).map((wait) => [wait, timeoutMs])) }),
  };
}

function credentials(auth: NonNullable<Client["auth"]>): Credentials | TokenCredentials {
  const username = auth.user;
  return "pass" in auth ? { username, password: auth.pass } : { username, accessToken: auth.accessToken };
}

function body(dialog: Dialog, clock: FakeClock): MessageBody {
  const text = message(dialog);
  const { chunkSize } = dialog.client;
  if (READ_ONCE.includes(dialog.name)) return new Blob([text]).stream();
  return chunkSize === undefined ? text : slowly(text, chunkSize, clock);
}

function slowly(text: string, chunkSize: number, clock: FakeClock): ReadableStream<Uint8Array> {
  const octets = new TextEncoder().encode(text);
  let start = 0;
  let cancel = () => {};
  const give = (controller: ReadableStreamDefaultController<Uint8Array>) => {
    if (start >= octets.length) return controller.close();
    controller.enqueue(octets.slice(start, start += chunkSize));
  };
  return new ReadableStream({
    pull: (controller) => new Promise<void>((resolve) => cancel = clock.schedule(() => resolve(give(controller)), BETWEEN_CHUNKS)),
    cancel: () => cancel(),
  }, { highWaterMark: 0 });
}

/** The message to send; one dialog says only in words that it is about a larger one. */
function message({ client, expectOutcome }: Pick<Dialog, "client" | "expectOutcome">): string {
  const text = unfolded(client.message);
  if (expectOutcome.client === undefined) return text;
  const [, octets] = /^message of ([\d ]+) octets$/.exec(expectOutcome.client) ?? [];
  return text.padEnd(Number(octets?.replaceAll(" ", "")), "0123456789abcdef\r\n");
}

function assertDelivered({ result, error }: Ending, expected: Outcome, server: DialogServer): void {
  assertEquals(error, undefined);
  assertEquals(result?.accepted.map(({ address }) => address), expected.accepted ?? []);
  assertEquals(result?.rejected.map(({ address }) => address), expected.rejected ?? []);
  const transient = result?.rejected.filter(({ reply }) => reply.isTransient).map(({ address }) => address);
  if (expected.rejectedTemporary !== undefined) assertEquals(transient, expected.rejectedTemporary);
  assertEquals(server.rest, [], "the dialog was not over");
}

function assertFailed({ result, error }: Ending, expected: Outcome): void {
  assertEquals(result, undefined, "it was delivered");
  assertInstanceOf(error, SmtpError);
  const { kind, stage, code, enhanced, text, rejected } = expected;
  // A stray reply ends the connection, and then nothing is known of any recipient: the catalogue leaves that to the client.
  const isDropped = expected.neverReports !== undefined && error.kind === "protocol";
  if (kind !== undefined) assertEquals(error.kind, KINDS[kind]);
  if (stage !== undefined) assertEquals(error.phase, stage);
  if (code !== undefined) assertEquals(error.code, code);
  if (enhanced !== undefined) assertEquals(error.enhancedCode ?? null, enhanced);
  if (text !== undefined) assertEquals(error.reply?.text, text);
  if (rejected !== undefined && !isDropped) assertEquals(error.rejected.map(({ address }) => address), rejected);
  for (const [name, value] of Object.entries(expected.detail ?? {})) {
    assertInstanceOf(error, SmtpAuthError);
    assertEquals(error.details[name], value);
  }
  if (expected.neverReports !== undefined) assertEquals(error.accepted, []);
  const isTransient = expected.temporary ?? (kind === "temporary" || undefined);
  const isPermanent = expected.permanent ?? (kind === "permanent" || undefined);
  if (isTransient !== undefined) assertEquals(error.transient, isTransient);
  if (isPermanent !== undefined) assertEquals(error.transient, !isPermanent);
  // Nothing but the loss of the last reply leaves open what became of a message.
  assertEquals(error.delivery, kind === "outcome-unknown" ? "unknown" : "not-sent");
}

function assertSaid(server: DialogServer, expected: Outcome, message: string): void {
  for (const pattern of expected.neverSends ?? []) {
    assertEquals(server.lines.filter((line) => new RegExp(pattern, "u").test(line)), [], `it said ${pattern}`);
  }
  const [firstLine = ""] = message.split("\r\n");
  if (expected.neverSendsBody) assert(!server.lines.includes(firstLine), "it sent the message");
  if (expected.wireBody !== undefined) assertEquals(server.content, expected.wireBody);
  // An upper bound of what it can have kept: what it has read.
  if (expected.maxMemoryMb !== undefined) assert(server.given <= expected.maxMemoryMb * 2 ** 20, `it read ${server.given} octets`);
  assertEquals(server.dialled, expected.attempts ?? 1, "it connected again");
  // For every dialog, whether it says so or not: no connection is left open, and none that a server has spoilt is used on.
  assert(server.isClosed, "it left the socket open");
}

function assertCapabilities(extensions: Extensions | undefined, { capabilities = {} }: Outcome): void {
  const known: Readonly<Record<string, unknown>> = {
    size: extensions?.maxSize ?? null,
    auth: extensions?.authMechanisms,
    futureRelease: extensions?.get("FUTURERELEASE")?.map(Number),
    smtputf8: extensions?.has("SMTPUTF8"),
  };
  for (const [name, value] of Object.entries(capabilities)) assertEquals(known[name], value, name);
}
