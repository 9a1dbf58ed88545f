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

/** What is used of the global `process`. */
export interface NodeProcess {
  getBuiltinModule(name: "node:net"): NodeNet;
  getBuiltinModule(name: "node:tls"): NodeTls;
  getBuiltinModule(name: "node:crypto"): NodeCrypto;
}

/** What is used of `node:crypto`. */
export interface NodeCrypto {
  createHmac(algorithm: "md5", key: Uint8Array): NodeHmac;
}

interface NodeHmac {
  update(text: Uint8Array): NodeHmac;
  digest(): Uint8Array;
}

/** What is used of `node:net`. */
export interface NodeNet {
  connect(options: NodeTcpOptions | { readonly path: string }): NodeSocket;
  isIP(text: string): number;
}

/** What is used of `node:tls`. */
export interface NodeTls {
  connect(options: NodeTlsOptions): NodeTlsSocket;
  createSecureContext(options: NodeContextOptions): NodeSecureContext;
  readonly rootCertificates: readonly string[];
  getCACertificates?(type: "default"): readonly string[];
}

interface NodeTcpOptions {
  readonly host: string;
  readonly port: number;
  readonly noDelay: boolean;
  readonly autoSelectFamily: boolean;
}

interface NodeTlsOptions {
  readonly socket: NodeSocket;
  readonly host: string;
  readonly servername?: string;
  readonly secureContext: NodeSecureContext;
  readonly rejectUnauthorized: true;
  readonly session?: Uint8Array;
}

interface NodeContextOptions {
  readonly ca?: readonly string[];
  readonly cert?: string;
  readonly key?: string;
  readonly minVersion: "TLSv1.2" | "TLSv1.3";
}

/** Authorities, certificate and versions, ready for use. */
export interface NodeSecureContext {
  readonly context: object;
}

/** A socket of Node. */
export interface NodeSocket {
  readonly localAddress?: string | undefined;
  readonly localPort?: number | undefined;
  readonly remoteAddress?: string | undefined;
  readonly remotePort?: number | undefined;
  readonly readableLength: number;
  readonly destroyed: boolean;
  on(event: "data" | "session", listener: (octets: Uint8Array) => void): unknown;
  on(event: "connect" | "secureConnect" | "end" | "close", listener: () => void): unknown;
  on(event: "error", listener: (error: unknown) => void): unknown;
  off(event: "connect" | "secureConnect" | "data" | "end" | "close", listener: () => void): unknown;
  off(event: "data", listener: (chunk: Uint8Array) => void): unknown;
  off(event: "error", listener: (error: unknown) => void): unknown;
  write(chunk: Uint8Array, callback: (error?: unknown) => void): unknown;
  pause(): unknown;
  resume(): unknown;
  destroy(): unknown;
}

/** A socket of Node that speaks TLS. */
export interface NodeTlsSocket extends NodeSocket {
  /** Whether the certificate was checked and found good. */
  readonly authorized: boolean;
  getProtocol(): string | null;
  getPeerCertificate(): { readonly raw?: Uint8Array };
  /** Deno's `node:tls` has none. */
  exportKeyingMaterial?(length: number, label: string, context: Uint8Array): Uint8Array;
}

/** What `cloudflare.ts` uses of `cloudflare:sockets`. */
export interface CloudflareSockets {
  connect(
    address: { readonly hostname: string; readonly port: number },
    options: { readonly secureTransport: "off" | "starttls"; readonly allowHalfOpen: boolean },
  ): CloudflareSocket;
}

/** A socket of Cloudflare Workers. */
export interface CloudflareSocket {
  readonly readable: ReadableStream<Uint8Array>;
  readonly writable: WritableStream<Uint8Array>;
  readonly opened: Promise<{ readonly remoteAddress?: string; readonly localAddress?: string }>;
  readonly closed: Promise<void>;
  startTls(): CloudflareSocket;
  close(): Promise<void>;
}
