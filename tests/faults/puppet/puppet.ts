/** The puppet as a case sees it, in any runtime: it is told what to play, and tells what came of it. */
import type { ConnectOptions } from "@posthorn/smtp";
import { type Case, type Feature, reaching } from "../../runtimes/case.ts";
import type { Report } from "./player.ts";
import type { Play } from "./server.ts";

/** What a case on sockets is given. */
export interface SocketEnvironment {
  /** The control server of the puppet. */
  readonly puppet: string;
  /** The authority of its good certificates, PEM; a runtime without the feature was told to trust it beforehand. */
  readonly authority: string;
  /** What the runtime does not have. */
  readonly lacks: readonly Feature[];
}

/** A case of the catalogue on real sockets; its name begins with the id of its entry. */
export type SocketFault = Case<SocketEnvironment>;

/** One port of the puppet's. */
export class Puppet {
  readonly #env: SocketEnvironment;
  readonly port: number;

  private constructor(env: SocketEnvironment, port: number) {
    this.#env = env;
    this.port = port;
  }

  /** Has `play` played; a script alone for every connection, in the clear until it says otherwise. */
  static async play(env: SocketEnvironment, play: string | Play): Promise<Puppet> {
    const body = JSON.stringify(typeof play === "string" ? { scripts: [play] } : play);
    const response = await fetch(env.puppet, { method: "POST", body });
    const { port }: { port: number } = await response.json();
    return new Puppet(env, port);
  }

  /** Options that reach it, without TLS unless they say otherwise. */
  options(more: ConnectOptions = {}): ConnectOptions {
    return reaching(this.#env, this.port, { tls: "none", ...more });
  }

  /** What came of its connections, once all have ended. */
  async reports(): Promise<readonly Report[]> {
    return await (await fetch(`${this.#env.puppet}/${this.port}`)).json();
  }

  /** What came of its only connection; throws where the client did not keep to the script. */
  async report(): Promise<Report> {
    const [report, ...more] = await this.reports();
    if (report === undefined) throw new Error("nobody came");
    if (more.length > 0) throw new Error(`${more.length + 1} connections came`);
    if (report.mismatch !== undefined) throw new Error(report.mismatch);
    return report;
  }

  /** What came of its connections until the last of them has said as many octets. */
  async heard(octets: number): Promise<readonly Report[]> {
    return await (await fetch(`${this.#env.puppet}/${this.port}/${octets}`)).json();
  }
}
