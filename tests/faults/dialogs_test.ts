/**
 * Replays the dialogs of `dialogs.json`: what servers were seen to say, or could say, each with what a client must make of it. Every dialog is
 * delivered whole, by line and by byte. No wall clock: the deadlines stand on a clock that only the test moves.
 */
import { assert, assertEquals, assertInstanceOf } from "@std/assert";
import { connect, type ConnectOptions, type Credentials, DEFAULT_TIMEOUTS, type Extensions } from "@posthorn/smtp";
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

/** Dialogs whose feature is not there yet, with the feature. One that is built must leave this table. */
const LATER: Readonly<Record<string, string>> = {
  "deliverby-mtpriority-parameters": "needs the options of DELIVERBY and MT-PRIORITY",
  "bdat-chunk-refused-444": "needs BDAT",
  "exim-bdat-multiline-250": "needs BDAT",
  "8bitmime-announced-but-body-parameter-refused": "needs LMTP",
};

/** Dialogs whose mechanism is not built, and why: there the client must give up before it says AUTH. */
const NEVER: Readonly<Record<string, string>> = {
  "auth-digest-md5-broken-server-proof-is-cancelled": "DIGEST-MD5 is historic, and no server should want it (RFC 6331)",
};

/** The members of an outcome that narrow it in this file; those of the last row are checked for every dialog, or are words for the reader. */
const CHECKED: readonly string[] = [
  ...["result", "accepted", "rejected", "rejectedTemporary", "stage", "code", "enhanced", "text", "kind", "temporary", "permanent"],
  ...["neverSends", "neverSendsBody", "neverReports", "wireBody", "capabilities", "maxMemoryMb", "attempts", "client", "detail"],
  ...["connectionReusable", "socketClosed", "notDelivered", "mustNotHang", "best", "minimum"],
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
  register(`dialog ${dialog.name}`, dialog, 0, LATER[dialog.name]);
  // What comes unasked may also come while nothing is under way, and not only behind the next commands.
  const hasExtra = dialog.steps.some(({ extra }) => extra !== undefined);
  if (hasExtra) register(`dialog ${dialog.name}, with a client that takes its time`, dialog, 2);
}

Deno.test("the dialogs that are for later are there, each dialog has a name of its own, and nothing that they expect is passed over", () => {
  const names = dialogs.map(({ name }) => name);
  assertEquals(Object.keys({ ...LATER, ...NEVER }).filter((name) => !names.includes(name)), []);
  assertEquals(new Set(names).size, names.length);
  const members = dialogs.filter(({ name }) => LATER[name] === undefined && NEVER[name] === undefined).flatMap(({ expectOutcome }) =>
    Object.keys(expectOutcome)
  );
  assertEquals([...new Set(members)].filter((member) => !CHECKED.includes(member)), []);
});

function register(name: string, dialog: Dialog, pause: number, reason?: string): void {
  for (const cut of ["whole", "line", "byte"] as const) {
    Deno.test({
      name: `${name} (replies ${cut === "whole" ? cut : `by ${cut}`})${reason === undefined ? "" : `: later, ${reason}`}`,
      ignore: reason !== undefined,
      fn: () => replay(dialog, cut, pause),
    });
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
  let extensions: Extensions | undefined;
  try {
    await using connected = await connect(optionsOf(client, server, clock));
    extensions = connected.extensions;
    for (let turn = 0; turn < pause; turn++) await settled();
    const result = await connected.send({ from: client.from, to: client.to, body: message({ client, ...dialog }) });
    return { result, extensions };
  } catch (error) {
    return { error, extensions };
  }
}

function optionsOf({ name, tls, auth, mechanism, allowPlaintextAuth, timeoutMs }: Client, server: DialogServer, clock: FakeClock): ConnectOptions {
  return {
    hostname: "mx.example",
    name,
    tls: tls === "required" ? "starttls" : tls,
    dial: server.dial,
    clock,
    ...(auth && { auth: { ...credentials(auth), ...(mechanism !== undefined && { forceMechanism: mechanism }) } }),
    ...(allowPlaintextAuth !== undefined && { allowCleartextAuth: allowPlaintextAuth }),
    ...(timeoutMs !== undefined && { timeouts: Object.fromEntries(Object.keys(DEFAULT_TIMEOUTS).map((wait) => [wait, timeoutMs])) }),
  };
}

function credentials(auth: NonNullable<Client["auth"]>): Credentials | TokenCredentials {
  const username = auth.user;
  return "pass" in auth ? { username, password: auth.pass } : { username, accessToken: auth.accessToken };
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
