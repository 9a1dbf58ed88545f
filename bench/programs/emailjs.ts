/** emailjs, which composes what it sends. */
import { serve } from "./harness.ts";
import { FROM, HOST, recipients, SUBJECT, TEXT } from "./job.ts";

/** What is used of it. */
interface Client {
  sendAsync(message: Readonly<Record<string, string>>): Promise<unknown>;
  readonly smtp: { close(): void };
}

/** In a constant, since it is a package of another folder. */
const EMAILJS = "emailjs";

await serve({
  "send": async (job) => {
    const { SMTPClient } = await import(EMAILJS);
    const client: Client = new SMTPClient({ host: HOST, port: job.port, ssl: false, tls: false });
    const message = { from: FROM, to: recipients(job).join(", "), subject: SUBJECT, text: TEXT };
    await client.sendAsync(message);
    return {
      run: async () => {
        for (let count = 0; count < job.messages; count++) await client.sendAsync(message);
      },
      close: () => client.smtp.close(),
    };
  },
});
