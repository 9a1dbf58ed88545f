/**
 * How servers name a message that they have queued. No standard says how, so each form is tied to words around it; the words of a server that is not
 * here tell nothing.
 */
const FORMS: readonly RegExp[] = [
  // Postfix, and many after it: "Ok: queued as 4XyzAB1cdE"; Yandex: "Ok: queued on smtp3m.mail.yandex.net as 1430081058-6ltgNFKSir".
  /\bqueued (?:on \S+ )?as ([\w.-]+)/i,
  // Exim: "OK id=1xVCeh-00000L-13".
  /\bid=([\w.-]+)/i,
  // Haraka: "Message Queued (B749000D-5B9F-40EB-9A3A-BA5C8397649C.1)".
  /\bMessage Queued \(([\w.-]+)\)/i,
  // Sendmail: "s3QIBk6H015892 Message accepted for delivery"; OpenSMTPD the same, with eight hexadecimal digits.
  /^(?=[\w-]*\d)([\w-]{8,}) Message accepted for delivery/i,
  // Gmail: "OK  1642091984 z24sm9037572pjq.17 - gsmtp".
  /^OK +\d+ ([\w.-]+) - g?smtp$/,
  // Amazon SES: "Ok 010001870dbae81e-35118332-f389-474c-8b37-69ce1e1934ae-000000".
  /^Ok ([\da-f]{16}(?:-[\da-f]+){6})$/,
  // Exchange: "<…> [InternalId=95992519094146, Hostname=…] 13478 bytes in 0.277, 47.373 KB/sec Queued mail for delivery".
  /\[InternalId=(\d+)/,
  // qmail: "ok 1375388751 qp 26627".
  /^ok \d+ qp (\d+)/,
  // IronPort: "ok:  Message 40279894 accepted".
  /^ok: +Message (\d+) accepted/,
  // Ethereal: "Accepted [STATUS=new MSGID=ZO8BDrs4Cney.EXBZcnPdyNjH.7avN-FAAAAmpIr4f]".
  /\bMSGID=([\w.-]+)/,
  // Dovecot's LMTP: "<alice@x.test> 4xneAKM5A2sbAAAAf1oZPw Saved".
  /^<\S*> (\S+) Saved$/,
];

/** The name under which a server queued a message, where the text of its reply tells; what is not recognised is `undefined`. */
export function queueId(text: string): string | undefined {
  for (const form of FORMS) {
    const [, id] = form.exec(text) ?? [];
    if (id !== undefined) return id;
  }
  return undefined;
}
