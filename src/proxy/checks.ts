/** Checks of what a caller says about a proxy, before any I/O. */
import type { TlsOptions } from "../transport/socket.ts";
import { encodeText, hasForbidden, quoted } from "../wire/text.ts";
import { parseHost } from "./address.ts";

/** A name and a password that a proxy asks for. */
export interface ProxyCredentials {
  readonly username: string;
  readonly password: string;
}

/** A proxy, by host and port. */
export interface Place {
  readonly hostname: string;
  readonly port: number;
}

/** The own members of `options`, so that a polluted prototype decides nothing. */
export function own<T extends object>(options: T): T {
  if (typeof options !== "object" || options === null) throw wrong("options", "an object", options);
  return Object.assign(Object.create(null), options);
}

/** @throws {TypeError} When `hostname` is no host or `port` no number. {RangeError} When one is out of its range. */
export function checkPlace(hostname: string, port: number): Place {
  parseHost(hostname);
  if (typeof port !== "number") throw wrong("port", "a number", port);
  if (Number.isInteger(port) && port >= 1 && port <= 65_535) return { hostname, port };
  throw new RangeError(`Cannot use port to reach a proxy as it must be a whole number from 1 to 65535: current value is ${port}`);
}

/**
 * The credentials, where both are given.
 *
 * @throws {TypeError} When there is one without the other, or one is no text, or has control characters. Neither is in the message.
 */
export function checkCredentials(username: string | undefined, password: string | undefined): ProxyCredentials | undefined {
  if (username === undefined && password === undefined) return undefined;
  if (username === undefined || password === undefined) {
    throw new TypeError("Cannot use credentials to log in at a proxy as it must be both username and password: one is missing");
  }
  for (const [name, value] of Object.entries({ username, password })) {
    if (typeof value === "string" && !hasForbidden(value)) continue;
    throw secretly(name, "text without control characters");
  }
  return { username, password };
}

/** @throws {RangeError} When `value` has no octets, or more than 255. It is not in the message. */
export function checkOctets(name: string, value: string): Uint8Array {
  const octets = encodeText(value);
  if (octets.length >= 1 && octets.length <= 255) return octets;
  throw new RangeError(`Cannot use ${name} to log in at a proxy as it must have 1 to 255 octets: current value has ${octets.length}`);
}

/** @throws {TypeError} When `tls` is no object, or has no list of authorities or no name where it says so: a runtime may take an empty name for any. */
export function checkTls(tls: TlsOptions): TlsOptions {
  const given: TlsOptions = own(tls);
  if (given.serverName !== undefined) parseHost(given.serverName);
  if (given.caCerts === undefined || Array.isArray(given.caCerts)) return given;
  throw new TypeError("Cannot use tlsOptions.caCerts to reach a proxy as it must be a list of certificates, PEM: current value is not shown");
}

/** A bad argument that may be a secret. */
export function secretly(name: string, must: string): TypeError {
  return new TypeError(`Cannot use ${name} to log in at a proxy as it must be ${must}: current value is not shown`);
}

/** A bad argument. */
export function wrong(name: string, must: string, value: unknown): TypeError {
  return new TypeError(`Cannot use ${name} to reach a proxy as it must be ${must}: current value is ${quoted(value)}`);
}
