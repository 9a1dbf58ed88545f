/**
 * Sends one message over STARTTLS, to one recipient or more:
 *
 *   SMTP_PASSWORD=… bun send.ts mail.example.com 587 alice alice@example.com bob@example.com
 *
 * SMTP_CA_FILE names a file with the certificate of an authority that the runtime does not know, PEM: a company's own, say.
 */
import { connect, SmtpError } from "@posthorn/smtp";

const [hostname, port, username, from, ...to] = Bun.argv.slice(2);
const password = Bun.env.SMTP_PASSWORD;
const authority = Bun.env.SMTP_CA_FILE;
if (!hostname || !port || !username || !from || to.length === 0 || !password) {
  console.error("usage: SMTP_PASSWORD=… send.ts host port user from to…");
  process.exit(2);
}

const body = [
  `From: <${from}>`,
  `To: ${to.map((address) => `<${address}>`).join(", ")}`,
  "Subject: Hello from Bun",
  `Date: ${new Date().toUTCString().replace("GMT", "+0000")}`,
  `Message-ID: <${crypto.randomUUID()}@${from.slice(from.lastIndexOf("@") + 1)}>`,
  "",
  "Hello!",
  "",
].join("\r\n");

try {
  await using client = await connect({
    hostname,
    port: Number(port),
    tls: "starttls",
    ...(authority && { tlsOptions: { caCerts: [await Bun.file(authority).text()] } }),
    auth: { username, password },
  });
  const { accepted, rejected } = await client.send({ from, to, body });
  for (const { address } of accepted) console.log(`accepted ${address}`);
  for (const { address, reply } of rejected) console.log(`rejected ${address}: ${reply}`);
} catch (error) {
  if (!(error instanceof SmtpError)) throw error;
  console.error(`${error.message} (delivery: ${error.delivery})`);
  process.exitCode = 1;
}
