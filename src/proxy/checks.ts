/** Checks of what a caller says about a proxy, before any I/O. */
import type { TlsOptions } from "../transport/socket.ts";
import { own } from "../wire/own.ts";
import { encodeText, hasForbidden } from "../wire/text.ts";
import { outOfRange, wholeNumber, wrong, wrongSecret } from "../wire/wrong.ts";
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

/** @throws {TypeError} When `hostname` is no host or `port` no number. {RangeError} When one is out of its range. */
export function checkPlace(hostname: string, port: number): Place {
  parseHost(hostname);
  if (typeof port !== "number") throw unfit("port", "a number", port);
  return { hostname, port: wholeNumber("port to reach a proxy", port, 1, 65_535) };
}

/**
 * The credentials, where both are given.
 *
 * @throws {TypeError} When there is one without the other, or one is no text, or has control characters. Neither is in the message.
 */
export function checkCredentials(username: string | undefined, password: string | undefined): ProxyCredentials | undefined {
  if (username === undefined && password === undefined) return undefined;
  if (username === undefined || password === undefined) {
    throw secretly("credentials", "both username and password");
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
  throw outOfRange(`${name} to log in at a proxy`, "of 1 to 255 octets", octets.length);
}

/** @throws {TypeError} When `tls` is no object, or has no list of authorities or no name where it says so: a runtime may take an empty name for any. */
export function checkTls(tls: TlsOptions): TlsOptions {
  const given: TlsOptions = own(tls, "tlsOptions");
  if (given.serverName !== undefined) parseHost(given.serverName);
  if (given.caCerts === undefined || Array.isArray(given.caCerts)) return given;
  throw wrongSecret("tlsOptions.caCerts to reach a proxy", "a list of certificates, PEM");
}

/** A bad argument that may be a secret. */
export function secretly(name: string, must: string): TypeError {
  return wrongSecret(`${name} to log in at a proxy`, must);
}

/** A bad argument. */
export function unfit(name: string, must: string, value: unknown): TypeError {
  return wrong(`${name} to reach a proxy`, must, value);
}
