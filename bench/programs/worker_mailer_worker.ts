/** worker-mailer, which runs in workerd only and composes what it sends. */
import { FROM, HOST, recipients, SUBJECT, TEXT } from "./job.ts";
import { type Worker, worker } from "./worker_harness.ts";

/** What is used of it. */
interface Mailer {
  send(message: object): Promise<void>;
  close(): Promise<void>;
}

/** In a constant, since it is a package of another folder; in workerd it is a module beside this one. */
const WORKER_MAILER = "worker-mailer";
const SILENT = 4;
/** Messages that are not measured: it is started anew for each run. */
const WARM = 200;

const it: Worker = worker({
  "send": async (job) => {
    const { WorkerMailer } = await import(WORKER_MAILER);
    const mailer: Mailer = await WorkerMailer.connect({ host: HOST, port: job.port, secure: false, startTls: false, logLevel: SILENT });
    const message = { from: FROM, to: recipients(job), subject: SUBJECT, text: TEXT };
    for (let count = 0; count < WARM; count++) await mailer.send(message);
    return {
      run: async () => {
        for (let count = 0; count < job.messages; count++) await mailer.send(message);
      },
      close: () => mailer.close(),
    };
  },
});
export default it;
