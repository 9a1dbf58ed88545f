/** A CommonJS consumer: `require` loads the module and its subpaths, and gives what `import` gives. */
const { startServer } = require("./server.js");
const { connect, SmtpError } = require("@posthorn/smtp");
const { dialNode } = require("@posthorn/smtp/transport/node");

async function main() {
  const client = await connect({ hostname: "127.0.0.1", port: await startServer(), tls: "none", dial: dialNode });
  const { queueId } = await client.send({ from: "alice@example.com", to: "bob@example.com", body: "Subject: Hello\r\n\r\nHello.\r\n" });
  await client.quit();
  const imported = await import("@posthorn/smtp");
  if (queueId !== "A1B2C3" || imported.SmtpError !== SmtpError) throw new Error("require and import do not give the same");
}

main();
