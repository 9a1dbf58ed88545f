/** A: what separates the fields of a login, in the fields of a login. */
import { assertEquals } from "@std/assert";
import type { Auth } from "@posthorn/smtp";
import {
  anonymous,
  cramMd5,
  type Credentials,
  external,
  login,
  oauthBearer,
  plain,
  type SaslContext,
  type SaslMechanism,
  scramSha1,
  scramSha256,
  scramSha512,
  type TokenCredentials,
  xoauth2,
} from "@posthorn/smtp/sasl";
import { contextOf } from "../../support/sasl.ts";
import { clientOf, connectionOf, EVERYTHING, OctetServer } from "../../support/octet_server.ts";
import type { Fault } from "../fault.ts";
import { assertBadArgument, assertRefused, assertUsable, errorOf, untyped } from "../refusals.ts";

/** NUL, ^A, the line ends and every other control: what separates fields, or lines, somewhere. */
const CONTROLS = [...Array.from({ length: 32 }, (_, code) => String.fromCharCode(code)), "\x7f", "\r\n", "\ud800"];

const PASSWORDS: Readonly<Record<string, (credentials: Credentials) => SaslMechanism>> = {
  plain,
  login,
  cramMd5,
  scramSha1,
  scramSha256,
  scramSha512,
};
const TOKENS: Readonly<Record<string, (credentials: TokenCredentials) => SaslMechanism>> = { xoauth2, oauthBearer };

/** What stands in no error: the secret of each case. */
const SECRET = "s3cret";

/** That `call` is refused, and that the error keeps the secret. */
async function assertSilentlyRefused(what: string, call: () => unknown): Promise<void> {
  const error = await errorOf(call);
  assertBadArgument(error, what);
  assertEquals(String(error).includes(SECRET), false, `${what}: ${error}`);
}

/** The first thing that `mechanism` says. */
async function said(mechanism: SaslMechanism, context: SaslContext = contextOf()): Promise<string> {
  return new TextDecoder().decode((await mechanism.start(context)).initialResponse);
}

export const credentialFields: readonly Fault[] = [
  {
    name: "F07 NUL, ^A, CR, LF and every other control in a name, a password, a token or an authzid is refused when the mechanism is made",
    run: async () => {
      for (const control of CONTROLS) {
        const nasty = `${SECRET}${control}evil`;
        for (const [name, make] of Object.entries(PASSWORDS)) {
          await assertSilentlyRefused(`${name} username`, () => make({ username: nasty, password: "p" }));
          await assertSilentlyRefused(`${name} password`, () => make({ username: "u", password: nasty }));
          await assertSilentlyRefused(`${name} authzid`, () => make({ username: "u", password: "p", authzid: nasty }));
        }
        for (const [name, make] of Object.entries(TOKENS)) {
          await assertSilentlyRefused(`${name} username`, () => make({ username: nasty, accessToken: "t" }));
          await assertSilentlyRefused(`${name} accessToken`, () => make({ username: "u", accessToken: nasty }));
          await assertSilentlyRefused(`${name} authzid`, () => make({ username: "u", accessToken: "t", authzid: nasty }));
        }
        await assertSilentlyRefused("external authzid", () => external({ authzid: nasty }));
      }
      await assertSilentlyRefused("xoauth2 as shown", () => xoauth2({ username: `a\x01auth=Bearer ${SECRET}\x01\x01`, accessToken: "t" }));
      await assertSilentlyRefused("plain as shown", () => plain({ username: `alice\0${SECRET}`, password: "p" }));
      for (const token of [`${SECRET} x`, `${SECRET},ä`, "", `Bearer ${SECRET}`]) {
        await assertSilentlyRefused("a token that is none", () => oauthBearer({ username: "u", accessToken: token }));
      }
    },
  },
  {
    name: "F07 Controls are refused before anything is dialled, and by login() and auth before anything is written",
    run: async () => {
      for (const control of CONTROLS) {
        const nasty = `${SECRET}${control}evil`;
        const logins: readonly Auth[] = [
          { username: nasty, password: "p" },
          { username: "u", password: nasty },
          { username: "u", password: "p", authzid: nasty },
          { username: nasty, accessToken: "t" },
          { username: "u", accessToken: nasty },
          { username: "u", accessToken: "t", authzid: nasty },
        ];
        const server = new OctetServer();
        await using client = await clientOf(server, { allowCleartextAuth: true });
        for (const auth of logins) {
          await assertSilentlyRefused("connect", () => clientOf(new OctetServer(), { auth, dial: () => Promise.reject(new Error("dialled")) }));
          await assertRefused(server, "login", () => client.login(auth));
        }
        await assertUsable(server, client);
      }
    },
  },
  {
    name: "F07 A token that a function gives is held to the same",
    run: async () => {
      for (const token of [`${SECRET}\x01`, `${SECRET}\r\nQUIT`, `${SECRET}\0`, `${SECRET} x`, "", undefined, 5, {}]) {
        const server = new OctetServer();
        await using client = await clientOf(server, { allowCleartextAuth: true });
        const before = server.received;
        const auth: Auth = { username: "u", accessToken: () => untyped(token) };
        const error = await errorOf(() => client.login(auth));
        assertBadArgument(Reflect.get(Object(error), "cause"), `${token}`);
        assertEquals(String(error).includes(SECRET), false);
        assertEquals(server.received, before);
        await assertUsable(server, client);
      }
    },
  },
  {
    name: "F07 Commas and equals signs are encoded where they separate fields, and nowhere else",
    run: async () => {
      const names = { username: "a,b=c", password: "p,q=r" };
      for (const make of [scramSha1, scramSha256, scramSha512]) {
        const first = await said(make(names));
        assertEquals(/^n,,n=a=2Cb=3Dc,r=[!-+\--~]+$/.test(first), true, first);
        const other = await said(make({ ...names, authzid: "x,=y" }));
        assertEquals(other.startsWith("n,a=x=2C=3Dy,n=a=2Cb=3Dc,r="), true, other);
        // What SASLprep makes a comma or an equals sign of is one (RFC 4013 section 2.2).
        assertEquals((await said(make({ ...names, username: "a\uff0cb\uff1dc" }))).startsWith("n,,n=a=2Cb=3Dc,r="), true);
      }
      const token = { username: "a,b=c", accessToken: "t" };
      assertEquals(await said(oauthBearer(token)), "n,a=a=2Cb=3Dc,\x01host=server.example.com\x01port=587\x01auth=Bearer t\x01\x01");
      assertEquals(await said(xoauth2(token)), "user=a,b=c\x01auth=Bearer t\x01\x01");
      assertEquals(await said(plain(names)), "\0a,b=c\0p,q=r");
    },
  },
  {
    name: "F07 Code points whose low octets are NUL, ^A, CR, LF or a comma leave as UTF-8",
    run: async () => {
      const name = "\u0100\u0101\u010d\u010a\u012c";
      assertEquals(await said(plain({ username: name, password: name })), `\0${name}\0${name}`);
      assertEquals(await said(xoauth2({ username: name, accessToken: "t" })), `user=${name}\x01auth=Bearer t\x01\x01`);
    },
  },
  {
    name: "F07 What is no text is refused, though it would become some, and read otherwise the second time",
    run: async () => {
      for (const value of [undefined, null, 5, true, {}, ["u"], new String("u"), { toString: () => "u" }]) {
        const text: string = untyped(value);
        for (const make of Object.values(PASSWORDS)) {
          await assertSilentlyRefused("username", () => make({ username: text, password: "p" }));
          await assertSilentlyRefused("password", () => make({ username: "u", password: text }));
        }
        for (const make of Object.values(TOKENS)) {
          await assertSilentlyRefused("username", () => make({ username: text, accessToken: "t" }));
          await assertSilentlyRefused("accessToken", () => make({ username: "u", accessToken: text }));
        }
        if (value !== undefined) await assertSilentlyRefused("trace", () => anonymous({ trace: text }));
      }
      let reads = 0;
      const changing = {
        password: "p",
        get username(): string {
          return reads++ === 0 ? "alice" : "alice\0evil";
        },
      };
      assertEquals(await said(plain(changing)), "\0alice\0p");
    },
  },
  {
    name: "F07 An initial response or an answer that is no octets is refused, and is not shown",
    run: async () => {
      const server = new OctetServer();
      await using connection = await connectionOf(server);
      for (const value of [`\0u\0${SECRET}`, [1, 2], new ArrayBuffer(3), null, 5, { length: 3 }, new Uint16Array(3)]) {
        const octets: Uint8Array = untyped(value);
        await assertSilentlyRefused("auth", () => connection.auth("PLAIN", octets));
      }
      await connection.auth("PLAIN");
      const before = server.received;
      await assertSilentlyRefused("authRespond", () => Reflect.apply(connection.authRespond, connection, [`\0u\0${SECRET}`]));
      assertEquals(server.received, before);
      assertEquals((await connection.authRespond(new TextEncoder().encode("\0u\0p"))).code, 235);
      await assertUsable(server, { connection });
    },
  },
  {
    name: "F10 A mechanism of the caller's own cannot put a second command into AUTH, by its name or by what it says",
    run: async () => {
      const exchange = { isComplete: true, respond: () => new TextEncoder().encode("x\r\nQUIT") };
      for (const name of ["PLAIN\r\nQUIT", "PLAIN x", "PLAIN=", "", "X".repeat(21), "PL\u00c4IN", "PLAIN\u2028", "PLAIN\0"]) {
        const server = new OctetServer();
        await using client = await clientOf(server, { allowCleartextAuth: true });
        const mechanism = { name, isPlaintext: false, start: () => exchange };
        await assertRefused(server, `login ${name}`, () => client.login({ mechanisms: [mechanism] }));
        await assertRefused(server, `auth ${name}`, () => client.connection.auth(name));
        await assertUsable(server, client);
      }
      // Its octets are base64, whatever they are.
      const server = new OctetServer([...EVERYTHING, "AUTH EVIL"]);
      await using client = await clientOf(server, { allowCleartextAuth: true });
      await client.login({ mechanisms: [{ name: "EVIL", isPlaintext: false, start: () => exchange }] });
      assertEquals(server.commands.filter((line) => !/^EHLO/.test(line)), ["AUTH EVIL"]);
      assertEquals(server.received.endsWith(`AUTH EVIL\r\n${btoa("x\r\nQUIT")}\r\n`), true);
      await assertUsable(server, client);
      // A name that changes between the check and its use.
      let reads = 0;
      const changing: SaslMechanism = {
        isPlaintext: false,
        start: () => exchange,
        get name(): string {
          return reads++ < 1 ? "EVIL" : "EVIL\r\nQUIT";
        },
      };
      const before = server.received;
      await errorOf(() => client.login({ mechanisms: [changing] }));
      assertEquals(server.received.slice(before.length).includes("QUIT"), false);
    },
  },
];
