/** The small program that every bundler bundles. */
import { connect } from "@posthorn/smtp";

export async function send(port) {
  const client = await connect({ hostname: "127.0.0.1", port, tls: "none" });
  const { queueId } = await client.send({ from: "alice@example.com", to: "bob@example.com", body: "Subject: Hello\r\n\r\nHello.\r\n" });
  await client.quit();
  return queueId;
}
