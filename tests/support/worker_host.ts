import type { NpmProject } from "./npm_project.ts";

/** What a Worker is given. */
export interface WorkerOptions {
  /** The Worker, bundled to one ES module. */
  readonly script: string;
  readonly compatibilityDate: string;
  /** Its variables and secrets. */
  readonly bindings: Readonly<Record<string, string>>;
  /** Certificates of authorities that the runtime trusts besides its own, PEM: the library cannot tell it. */
  readonly caCerts: readonly string[];
}

/** A Worker that runs under Miniflare in a process of its own. */
export class WorkerHost implements AsyncDisposable {
  readonly #input: WritableStreamDefaultWriter<Uint8Array>;
  readonly #ended: Promise<unknown>;
  #log = "";
  #onUrl = (_url: string) => {};
  /** Where the Worker answers; a slash at its end. */
  url = "";

  private constructor(child: Deno.ChildProcess) {
    this.#input = child.stdin.getWriter();
    this.#ended = Promise.all([this.#collect(child.stdout), this.#collect(child.stderr), child.status]);
  }

  /** Starts a Worker; `project` must have Miniflare. */
  static async start(project: NpmProject, { script, caCerts, ...more }: WorkerOptions): Promise<WorkerHost> {
    const options = {
      ...more,
      // Named one by one: Miniflare looks for imports otherwise, and gives up at one whose specifier is computed.
      modules: [{ type: "ESModule", path: "worker.js", contents: script }],
      ...{ host: "127.0.0.1", port: 0, cf: false },
      // The mail server of a test is on the loopback, which a Worker does not reach by default.
      outboundService: { network: { allow: ["public", "private"], tlsOptions: { trustBrowserCas: true, trustedCertificates: caCerts } } },
    };
    await project.copy("tests/support/worker_host.mjs");
    const child = new Deno.Command("node", {
      ...{ args: ["tests/support/worker_host.mjs"], cwd: project.folder, env: { NO_COLOR: "1" } },
      ...{ stdin: "piped", stdout: "piped", stderr: "piped" },
    }).spawn();
    const host = new WorkerHost(child);
    const url = new Promise<string>((resolve) => host.#onUrl = resolve);
    // A host that has ended cannot be told anything; what it printed says why.
    host.#input.write(new TextEncoder().encode(`${JSON.stringify(options)}\n`)).catch(() => {});
    host.url = await Promise.race([url, host.#ended.then(() => "")]);
    if (host.url === "") throw new Error(`the Worker did not start:\n${await host.stop()}`);
    return host;
  }

  /** Stops the Worker, and resolves with all that it logged. */
  async stop(): Promise<string> {
    await this.#input.close().catch(() => {});
    await this.#ended;
    return this.#log;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  async #collect(stream: ReadableStream<Uint8Array>): Promise<void> {
    for await (const text of stream.pipeThrough(new TextDecoderStream())) {
      this.#log += text;
      const [, url] = /^(http:\S+)\n/m.exec(this.#log) ?? [];
      if (url !== undefined) this.#onUrl(url);
    }
  }
}
