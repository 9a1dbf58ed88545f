/** The library as the README's snippets see it: every host they name is the server of the test, and its authority is trusted. */
import {
  connect as connectReally,
  type ConnectionOptions,
  type ConnectOptions,
  dial,
  type Dialer,
  type PoolOptions,
  type SmtpClient,
  SmtpConnection as Connection,
  SmtpPool as Pool,
} from "../../mod.ts";

export * from "../../mod.ts";

const port = Number(Deno.env.get("TEST_PORT"));
const caCerts = [Deno.env.get("TEST_CA") ?? ""];
const dialHere: Dialer = (options) => dial({ ...options, hostname: "127.0.0.1", port });

export function connect(target: string | URL | ConnectOptions, options: ConnectOptions = {}): Promise<SmtpClient> {
  const more = { dial: dialHere, tlsOptions: { caCerts } };
  // A dialer of the snippet's own is redirected by the module it comes from.
  return typeof target === "string" || target instanceof URL ? connectReally(target, { ...more, ...options }) : connectReally({ ...more, ...target });
}

export class SmtpPool extends Pool {
  constructor(target: string | URL | ConnectOptions, options: PoolOptions = {}) {
    super(target, { ...options, connect: { dial: dialHere, tlsOptions: { caCerts }, ...options.connect } });
  }
}

export const SmtpConnection = {
  open: (options: ConnectionOptions): Promise<Connection> => Connection.open({ ...options, dial: dialHere }),
};
