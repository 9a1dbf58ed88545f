/** As much of IMAP as it takes to have a message that a submission server may fetch by its URL (RFC 4467). */
import type { RunningServer } from "./running_server.ts";
import { USER } from "./servers.ts";

/** The port of IMAP with implicit TLS, counted from the server's first. */
const PORT = 5;

/** Puts `text` into alice's mailbox, and resolves with a URL under which she may submit it. */
export async function urlOf(server: RunningServer, text: string): Promise<string> {
  using conn = await Deno.connectTls({ hostname: "localhost", port: server.port + PORT, caCerts: [server.authority] });
  await answer(conn, "* OK");
  await ask(conn, `a LOGIN ${USER.username} ${USER.password}`);
  const length = new TextEncoder().encode(text).length;
  const [, validity, uid] = /APPENDUID (\d+) (\d+)/.exec(await ask(conn, `b APPEND INBOX {${length}+}\r\n${text}`)) ?? [];
  const message = `imap://${USER.username}@localhost/INBOX;UIDVALIDITY=${validity}/;UID=${uid}`;
  const [url = ""] = /imap:\S+:internal:[\da-f]+/.exec(await ask(conn, `c GENURLAUTH "${message};URLAUTH=submit+${USER.username}" INTERNAL`)) ?? [];
  await ask(conn, "d LOGOUT");
  return url;
}

/** Says one command, its tag in front, and resolves with the answer. */
async function ask(conn: Deno.Conn, command: string): Promise<string> {
  await conn.write(new TextEncoder().encode(`${command}\r\n`));
  return await answer(conn, `${command[0]} OK`);
}

/** Reads until a line begins with `words`. */
async function answer(conn: Deno.Conn, words: string): Promise<string> {
  const octets = new Uint8Array(4_096);
  let text = "";
  while (!new RegExp(`^${RegExp.escape(words)}.*\r\n`, "m").test(text)) {
    const length = await conn.read(octets);
    if (length === null) throw new Error(`IMAP ended without ${words}: ${text}`);
    text += new TextDecoder().decode(octets.subarray(0, length));
  }
  return text;
}
