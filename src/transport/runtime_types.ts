/** The few members of the runtimes that the adapters use, so that one source checks under every compiler, with no ambient types. */

/** What `deno.ts` uses of the global `Deno`. */
export interface DenoRuntime {
  connect(options: DenoTcpOptions): Promise<DenoTcpConn>;
  connect(options: { readonly transport: "unix"; readonly path: string }): Promise<DenoConn>;
  connectTls(options: DenoTlsOptions & { readonly port: number; readonly cert: string; readonly key: string }): Promise<DenoTlsConn>;
  startTls(conn: DenoTcpConn, options: DenoTlsOptions): Promise<DenoTlsConn>;
}

interface DenoTcpOptions {
  readonly hostname: string;
  readonly port: number;
  readonly signal: AbortSignal;
}

interface DenoTlsOptions {
  readonly hostname: string;
  readonly caCerts?: string[];
}

/** An open connection of Deno. */
export interface DenoConn {
  readonly localAddr: DenoAddr;
  readonly remoteAddr: DenoAddr;
  read(buffer: Uint8Array): Promise<number | null>;
  write(bytes: Uint8Array): Promise<number>;
  close(): void;
}

/** A TCP connection of Deno. */
export interface DenoTcpConn extends DenoConn {
  setNoDelay(noDelay: boolean): void;
}

/** A TLS connection of Deno. */
export interface DenoTlsConn extends DenoConn {
  handshake(): Promise<unknown>;
}

interface DenoAddr {
  readonly transport: string;
  readonly hostname?: string;
  readonly port?: number;
}
