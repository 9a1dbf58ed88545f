/**
 * Servers that never stop talking, over real sockets, at a client in a process of its own: how much of it the client takes, and what memory it has for it.
 */
import { assert, assertEquals } from "@std/assert";

const MIB = 1_048_576;
/** What a flood may cost: the longest reply (256 KiB), a few times over, and what the runtime has in its buffers and has not collected yet. */
const BOUND = 24 * MIB;
/** A collector that comes late may cost one run some memory; what is kept costs every run all of it. */
const RUNS = 3;

const block = (line: string) => new TextEncoder().encode(line.repeat(Math.ceil(65_536 / line.length)));

/** What is said for ever, in blocks. */
const FLOODS: Readonly<Record<string, Uint8Array>> = {
  "a line": block("x"),
  "a reply": block(`250-${"x".repeat(200)}\r\n`),
  "short replies": block("250 ok\r\n"),
  "long replies": block(`${`250-${"x".repeat(500)}\r\n`.repeat(100)}250 ok\r\n`),
  "the longest replies": block(`${`250-${"x".repeat(250)}\r\n`.repeat(999)}250 ok\r\n`),
  "refusals": block("550 5.7.1 no\r\n"),
  "challenges": block("334 PDEuMkBteD4=\r\n"),
  "greetings": block("220 mx.example ESMTP\r\n"),
  "nothing but NUL": new Uint8Array(65_536),
};

/** What the server says before the flood: to each line, until the one that begins it. */
const SCENES: Readonly<Record<string, { readonly floodAt: string; readonly ehlo?: string; readonly kinds: readonly string[] }>> = {
  greeting: { floodAt: "", kinds: ["protocol", "refused"] },
  EHLO: { floodAt: "EHLO", kinds: ["protocol", "refused"] },
  AUTH: { floodAt: "AUTH", kinds: ["protocol", "authentication", "refused"] },
  RCPT: { floodAt: "RCPT", kinds: ["protocol", "refused"] },
  content: { floodAt: "x", kinds: ["protocol", "refused", "disconnected"] },
  idle: { floodAt: "EHLO ok", kinds: ["protocol", "disconnected"] },
  unheard: { floodAt: "EHLO ok", ehlo: "250-STARTTLS\r\n", kinds: ["undefined"] },
  byHand: { floodAt: "FLOOD", kinds: ["protocol"] },
};

/** Serves one connection; resolves with how many octets of the flood the system has taken. */
async function flood(listener: Deno.TcpListener, scene: string, octets: Uint8Array): Promise<number> {
  const { floodAt, ehlo = "" } = SCENES[scene]!;
  using connection = await listener.accept();
  const say = (text: string) => connection.write(new TextEncoder().encode(text));
  let taken = 0;
  const buffer = new Uint8Array(65_536);
  try {
    if (floodAt !== "") await say("220 mx\r\n");
    for (let isFlooding = floodAt === ""; !isFlooding;) {
      const count = await connection.read(buffer);
      if (count === null) return taken;
      const text = new TextDecoder().decode(buffer.subarray(0, count));
      if (text.startsWith("EHLO") && floodAt !== "EHLO") await say(`250-mx\r\n${ehlo}250 AUTH LOGIN\r\n`);
      isFlooding = floodAt === "EHLO ok" || text.startsWith(floodAt);
      if (!isFlooding && !text.startsWith("EHLO")) await say(text.startsWith("DATA") ? "354 go\r\n" : "250 ok\r\n");
    }
    // It hears what is said all the while, so that nobody waits for it.
    const hearing = (async () => {
      while (await connection.read(buffer) !== null);
    })().catch(() => {});
    try {
      while (taken < 1_024 * MIB) taken += await connection.write(octets);
    } finally {
      await hearing;
    }
  } catch {
    // The client is gone.
  }
  return taken;
}

for (const [scene, { kinds }] of Object.entries(SCENES)) {
  Deno.test(`F40 A client that is flooded keeps within ${BOUND / MIB} MiB, and leaves (${scene})`, async () => {
    for (const [what, octets] of Object.entries(FLOODS)) {
      const grown: number[] = [];
      while (grown.length < RUNS && !grown.some((size) => size < BOUND)) {
        using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
        const args = ["run", "--quiet", "--no-check", "--allow-net", "--allow-sys", "--import-map=tests/npm_only.json", "tests/support/flooded.ts"];
        const command = new Deno.Command(Deno.execPath(), { args: [...args, `${listener.addr.port}`, scene] });
        const [taken, { success, stdout, stderr }] = await Promise.all([flood(listener, scene, octets), command.output()]);
        assert(success, new TextDecoder().decode(stderr));
        const { idle, peak, kind }: { idle: number; peak: number; kind: string } = JSON.parse(new TextDecoder().decode(stdout));
        assert(kinds.includes(kind), `${what}: ${kind}`);
        assertEquals(taken < 64 * MIB, true, `${what}: the system took ${taken / MIB} MiB`);
        grown.push(peak - idle);
      }
      assert(grown.some((size) => size < BOUND), `${what}: ${grown.map((size) => (size / MIB).toFixed(1)).join(", ")} MiB`);
    }
  });
}
