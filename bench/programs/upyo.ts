/** upyo, which composes what it sends, with its pool of one connection. */
import { serve } from "./harness.ts";
import { CLIENT_NAME, FROM, HOST, recipients, SUBJECT, TEXT } from "./job.ts";

/** What is used of it. */
interface Transport {
  send(message: object): Promise<{ readonly successful: boolean; readonly errorMessages?: readonly string[] }>;
  closeAllConnections(): Promise<void>;
}

/** In constants, since they are packages of another folder. */
const SMTP = "@upyo/smtp";
const CORE = "@upyo/core";

await serve({
  "send": async (job) => {
    const { SmtpTransport } = await import(SMTP);
    const { createMessage } = await import(CORE);
    const transport: Transport = new SmtpTransport({ host: HOST, port: job.port, secure: false, localName: CLIENT_NAME, pool: true, poolSize: 1 });
    const message: object = createMessage({ from: FROM, to: recipients(job), subject: SUBJECT, content: { text: TEXT } });
    const send = async () => {
      const { successful, errorMessages } = await transport.send(message);
      if (!successful) throw new Error(`${errorMessages}`);
    };
    await send();
    return {
      run: async () => {
        for (let count = 0; count < job.messages; count++) await send();
      },
      close: () => transport.closeAllConnections(),
    };
  },
});
