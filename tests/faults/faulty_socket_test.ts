/** The socket to which things happen does to both directions what it says. */
import { assertEquals } from "@std/assert";
import type { Socket } from "@posthorn/smtp";
import { FakeClock, settled } from "../support/fake_clock.ts";
import { faulty, type Mishap, type Plan } from "../support/faulty_socket.ts";

/** What is left of a socket: what is read, how the reading ends, what arrives, how a write ends. */
type Outcome = readonly [read: string, ends: string, written: string, write: string];

async function outcome(plan: Plan, onWait: () => Promise<void> = settled): Promise<Outcome> {
  let [read, written] = ["", ""];
  const below: Socket = {
    readable: new ReadableStream<Uint8Array>({
      start: (controller) => void controller.enqueue(new TextEncoder().encode("abcdef")),
    }),
    writable: new WritableStream<Uint8Array>({ write: (octets) => void (written += new TextDecoder().decode(octets)) }),
    close: () => {},
  };
  const socket = faulty(below, plan);
  const writer = socket.writable.getWriter();
  writer.closed.catch(() => {});
  let [ends, write] = ["waits", "waits"];
  const writing = writer.write(new TextEncoder().encode("12345")).then(() => write = "done", (error: Error) => write = error.message);
  await settled();
  const reader = socket.readable.getReader();
  const reading = (async () => {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      read += new TextDecoder().decode(value);
    }
  })().then(() => ends = "ended", (error: Error) => ends = error.message);
  await onWait();
  await settled();
  const result = [read, ends, written, write] as const;
  await socket.close();
  // A source that says nothing more says so to nobody but this.
  if (ends === "waits") reader.cancel().catch(() => {});
  await Promise.all([reading, writing]);
  return result;
}

const READ: Readonly<Record<Mishap, Outcome>> = {
  close: ["abc", "ended", "12345", "done"],
  half: ["abc", "ended", "12345", "done"],
  reset: ["abc", "connection reset", "12345", "done"],
  stall: ["abc", "waits", "12345", "done"],
  deaf: ["abcdef", "waits", "12345", "done"],
  refuse: ["abcdef", "waits", "12345", "done"],
};
const WRITTEN: Readonly<Record<Mishap, Outcome>> = {
  close: ["", "ended", "12", "broken pipe"],
  half: ["", "ended", "12345", "done"],
  reset: ["", "connection reset", "12", "connection reset"],
  stall: ["", "waits", "12", "done"],
  deaf: ["abcdef", "waits", "12", "waits"],
  refuse: ["abcdef", "waits", "12", "broken pipe"],
};

for (const mishap of Object.keys(READ) as Mishap[]) {
  Deno.test(`a faulty socket to which "${mishap}" happens behind what was read, or what was written`, async () => {
    assertEquals(await outcome({ mishap, read: 3 }), READ[mishap]);
    assertEquals(await outcome({ mishap, written: 2 }), WRITTEN[mishap]);
  });
}

Deno.test("a faulty socket cuts what is read, and has each piece wait by the clock that it is given", async () => {
  const clock = new FakeClock();
  const pieces = (octets: Uint8Array) => Array.from(octets, (octet) => Uint8Array.of(octet));
  const plan = { split: pieces, delay: { clock, milliseconds: 10 } };
  const wait = async () => {
    await settled();
    await clock.advance(35);
  };
  assertEquals((await outcome(plan, wait))[0], "abc");
});
