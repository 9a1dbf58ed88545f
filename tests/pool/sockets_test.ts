/** A pool on the runtime's own sockets. */
import { assertEquals } from "@std/assert";
import { type Message, SmtpPool } from "@posthorn/smtp";
import { SinkServer } from "../support/sink_server.ts";

for (const transfer of ["data", "bdat"] as const) {
  Deno.test(`SmtpPool sends many messages by ${transfer} on four connections, and leaves nothing open`, async () => {
    await using server = new SinkServer();
    const messages = Array.from(
      { length: 80 },
      (): Message => ({ from: "a@x.test", to: "b@y.test", body: "Subject: x\r\n\r\nhello\r\n", transfer }),
    );
    let sent = 0;
    {
      await using pool = new SmtpPool({ hostname: "127.0.0.1", port: server.port, tls: "none" }, { maxConnections: 4, maxMessages: 8 });
      for await (const { status } of pool.sendAll(messages)) if (status === "sent") sent++;
    }
    assertEquals([sent, server.messages.length], [80, 80]);
  });
}
