/** What a user of the package writes, for `tsc --strict`: both levels, the errors, mechanisms, and each of the dialers. */
import { type Auth, connect, type Dialer, type Message, type Reply, SmtpConnection, SmtpError, SmtpReplyError, type Socket } from "@posthorn/smtp";
import { httpConnect, type HttpConnectOptions, proxyProtocol, socks5, type Socks5Options } from "@posthorn/smtp/proxy";
import { plain, scramSha256 } from "@posthorn/smtp/sasl";
import { dialCloudflare } from "@posthorn/smtp/transport/cloudflare";
import { dialDeno } from "@posthorn/smtp/transport/deno";
import { dialNode } from "@posthorn/smtp/transport/node";

export const dialers: readonly Dialer[] = [dialCloudflare, dialDeno, dialNode];

export function proxied(socks: Socks5Options, http: HttpConnectOptions): Dialer {
  return proxyProtocol({ version: 2, local: true, dial: socks5({ ...socks, dial: httpConnect(http) }) });
}

export function chosen(username: string, password: string): Auth {
  const credentials = { username, password };
  return { mechanisms: [scramSha256(credentials, { plus: true }), scramSha256(credentials), plain(credentials)] };
}

export async function high(password: string, message: Message): Promise<string | undefined> {
  const client = await connect({ hostname: "mail.example.com", auth: { username: "alice", password }, dial: dialNode });
  try {
    const { queueId, rejected } = await client.send(message, { signal: AbortSignal.timeout(60_000) });
    return rejected.length === 0 ? queueId : undefined;
  } catch (error) {
    if (error instanceof SmtpReplyError) return error.enhancedCode;
    if (error instanceof SmtpError && error.delivery === "unknown") return error.kind;
    throw error;
  } finally {
    await client[Symbol.asyncDispose]();
  }
}

export async function low(socket: Socket): Promise<Reply> {
  const connection = await SmtpConnection.open({ hostname: "mx.example.com", port: 25, tls: "none", socket });
  await connection.ehlo("client.example.com");
  const [, , data] = await Promise.all([connection.mail("alice@example.com"), connection.rcpt("bob@example.com"), connection.data()]);
  return data.code === 354 ? await connection.dotStuff("Subject: Hello\r\n\r\nHello.\r\n") : data;
}
