/** The servers, how each is reached, and what each makes of a message. */

/** The columns of the matrix: one a service, since one server may run several. */
export interface Service {
  /** Its name in the matrix and the subject of its tests. */
  readonly name: string;
  /** The language it speaks. */
  readonly protocol: "smtp" | "lmtp";
  /** Its port for STARTTLS, counted from the server's first. */
  readonly port: number;
  /** Its port for implicit TLS, counted from the server's first. */
  readonly tlsPort?: number;
  /** Whether it takes no mail before login. */
  readonly wantsLogin?: boolean;
  /** Whether it mails the delivery status notifications it was asked for (RFC 3461). */
  readonly reports?: boolean;
  /** Whether it listens on a unix socket in the server's folder too. */
  readonly hasUnixSocket?: boolean;
  /** What it makes of a message. */
  readonly storage: Storage;
}

/** What a service does to a message on its way to the disk. The rest of it stays as it is, octet by octet. */
export interface Storage {
  /** The header fields that it may put before the message. */
  readonly adds: readonly string[];
  /** The line ends it writes. */
  readonly lineEnds: "CRLF" | "LF";
}

/** One server: what a script in `servers/` runs. */
export interface Server {
  /** The name of its script. */
  readonly script: string;
  /** What stands before the name in the lines of the script's `build`: the parts it is made of. */
  readonly parts: readonly string[];
  readonly services: readonly Service[];
}

const POSTFIX: Storage = { adds: ["Return-Path", "X-Original-To", "Delivered-To", "Received"], lineEnds: "LF" };

/** The names of the servers, as the tests call them. */
export type ServerName = "postfix" | "dovecot" | "exim" | "aiosmtpd" | "haraka" | "smtpServer";

export const servers: Readonly<Record<ServerName, Server>> = {
  postfix: {
    script: "postfix_dovecot",
    parts: ["Postfix"],
    services: [{ name: "Postfix", protocol: "smtp", port: 0, tlsPort: 1, reports: true, storage: POSTFIX }],
  },
  dovecot: {
    script: "postfix_dovecot",
    parts: ["Dovecot"],
    services: [
      // What it takes it hands to Postfix.
      {
        name: "Dovecot submission",
        protocol: "smtp",
        port: 2,
        tlsPort: 3,
        wantsLogin: true,
        reports: true,
        storage: POSTFIX,
      },
      {
        name: "Dovecot LMTP",
        protocol: "lmtp",
        port: 4,
        hasUnixSocket: true,
        storage: { adds: ["Return-Path", "Delivered-To", "Received"], lineEnds: "CRLF" },
      },
    ],
  },
  exim: {
    script: "exim",
    parts: ["Exim"],
    services: [{ name: "Exim", protocol: "smtp", port: 0, tlsPort: 1, reports: true, storage: { adds: ["Received"], lineEnds: "LF" } }],
  },
  aiosmtpd: {
    script: "aiosmtpd",
    parts: ["aiosmtpd"],
    services: [
      { name: "aiosmtpd", protocol: "smtp", port: 0, tlsPort: 1, storage: { adds: [], lineEnds: "CRLF" } },
      { name: "aiosmtpd LMTP", protocol: "lmtp", port: 2, storage: { adds: [], lineEnds: "CRLF" } },
    ],
  },
  haraka: {
    script: "haraka",
    parts: ["Haraka"],
    services: [{
      name: "Haraka",
      protocol: "smtp",
      port: 0,
      tlsPort: 1,
      storage: { adds: ["Authentication-Results", "Received"], lineEnds: "CRLF" },
    }],
  },
  smtpServer: {
    script: "smtp_server",
    parts: ["smtp-server"],
    services: [
      { name: "smtp-server", protocol: "smtp", port: 0, tlsPort: 1, storage: { adds: [], lineEnds: "CRLF" } },
      { name: "smtp-server LMTP", protocol: "lmtp", port: 2, hasUnixSocket: true, storage: { adds: [], lineEnds: "CRLF" } },
    ],
  },
};

/** Every service, in the order of the matrix. */
export const services: readonly Service[] = Object.values(servers).flatMap(({ services }) => services);

/** Ports that a script may use, from the first. */
export const PORTS = 6;
/** Who may log in everywhere. */
export const USER = { username: "alice", password: "s3cret" } as const;
/** The mailboxes; what has none of its own goes to the last. */
export const MAILBOXES: readonly string[] = ["alice", "bob", "carol", "other"];
