/** What a server says before it takes no more octets is heard, and is what the caller is told. */
import { assertEquals } from "@std/assert";
import { connectTo, facts, HELLO, rejection } from "../../support/client.ts";
import { FakeClock } from "../../support/fake_clock.ts";
import { ScriptedServer } from "../../support/script.ts";

Deno.test("SmtpClient reports what the server said before it stopped taking octets", async () => {
  const server = new ScriptedServer(`${HELLO}
    C: MAIL FROM:<a@x.test>
    C: RCPT TO:<b@y.test>
    C: DATA
    S: 421 4.3.2 going down
    S: {silence}`);
  const dial = () => {
    const socket = server.socket();
    const writer = socket.writable.getWriter();
    let writes = 0;
    return Promise.resolve({
      ...socket,
      writable: new WritableStream<Uint8Array>({
        async write(chunk): Promise<void> {
          await writer.write(chunk);
          if (++writes === 2) throw new Error("broken pipe");
        },
      }),
    });
  };
  const clock = new FakeClock();
  const client = await connectTo(server, { dial, clock });
  const error = facts(await rejection(client.send({ from: "a@x.test", to: "b@y.test", body: "x" })));
  assertEquals([error.code, error.phase, error.delivery, clock.pending], [421, "mail", "not-sent", 0]);
});
