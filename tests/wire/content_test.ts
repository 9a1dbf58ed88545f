import { assertEquals } from "@std/assert";
import { Reply } from "@posthorn/smtp";
import { contentFacts, isEightBit } from "../../src/wire/content.ts";
import { decodeBase64, encodeBase64 } from "../../src/wire/base64.ts";
import { queueId } from "../../src/wire/queue_id.ts";
import { bytes } from "../support/splits.ts";

Deno.test("contentFacts counts what SIZE counts: every line ended by CRLF, no dot doubled", () => {
  for (const content of ["", "a", "a\r\n", "a\nb", "\r", "\n\r", "a\r\r\n.\n", "a\r\n\r\nb\r", ".\r\n..\r\n", "\n\n\n", "\r\r"]) {
    const normal = content.replace(/\r\n|\r|\n/g, "\r\n");
    const whole = normal === "" || normal.endsWith("\r\n") ? normal : `${normal}\r\n`;
    assertEquals(
      contentFacts(bytes(content)),
      { octets: whole.length, isEightBit: false, isHeaderEightBit: false, hasLoneLineEnd: /\r(?!\n)|(?<!\r)\n/.test(content) },
      JSON.stringify(content),
    );
  }
});

Deno.test("contentFacts tells the headers from the body, whatever ends their lines", () => {
  for (const end of ["\r\n", "\n", "\r"]) {
    const isHeaderEightBit = (...lines: string[]) => contentFacts(bytes(lines.join(end))).isHeaderEightBit;
    assertEquals(isHeaderEightBit("Subject: a", "", "ä"), false, JSON.stringify(end));
    assertEquals(isHeaderEightBit("Subject: a", " ä", "", "b"), true, JSON.stringify(end));
    assertEquals(isHeaderEightBit("", "ä"), false, JSON.stringify(end));
    assertEquals(isHeaderEightBit("ä"), true, JSON.stringify(end));
  }
  assertEquals(contentFacts(bytes("A: a\r\n\rä\n")).isHeaderEightBit, false);
});

Deno.test("isEightBit finds an octet above 127 at any place of any view", () => {
  const octets = new Uint8Array(40).fill(127);
  for (let from = 0; from < 9; from++) {
    for (let to = from; to <= 40; to++) {
      const view = octets.subarray(from, to);
      assertEquals(isEightBit(view), false);
      for (let at = 0; at < view.length; at++) {
        view[at] = 128;
        assertEquals(isEightBit(view), true, `${from} ${to} ${at}`);
        view[at] = 127;
      }
    }
  }
});

Deno.test("base64 goes there and back over every octet, and refuses what is none", () => {
  const octets = Uint8Array.from({ length: 256 }, (_, index) => index);
  for (const length of [0, 1, 2, 3, 255, 256]) assertEquals(decodeBase64(encodeBase64(octets.slice(0, length))), octets.slice(0, length));
  for (const text of ["a", "ab=", "abc", "ab c", "====", "abcd=", "ab\n=", "Username:"]) assertEquals(decodeBase64(text), undefined, text);
});

/** Replies as servers gave them, and the names in them. */
const QUEUED: readonly (readonly [server: string, reply: string, id: string])[] = [
  ["Postfix", "2.0.0 Ok: queued as 78887292CFF", "78887292CFF"],
  ["Postfix, to BDAT", "2.0.0 Ok: 368 bytes queued as 09CCB292D02", "09CCB292D02"],
  ["SendGrid", "Ok: queued as nhIMmON9SFOPcT0ii4nt2A", "nhIMmON9SFOPcT0ii4nt2A"],
  ["Yandex", "2.0.0 Ok: queued on smtp3m.mail.yandex.net as 1430081058-6ltgNFKSir-iHEKdOrm", "1430081058-6ltgNFKSir-iHEKdOrm"],
  ["Exim", "OK id=1xVCeh-00000L-13", "1xVCeh-00000L-13"],
  ["Haraka", "Message Queued (B749000D-5B9F-40EB-9A3A-BA5C8397649C.1)", "B749000D-5B9F-40EB-9A3A-BA5C8397649C.1"],
  ["Sendmail", "2.0.0 s3QIBk6H015892 Message accepted for delivery", "s3QIBk6H015892"],
  ["a Sendmail that fans out", "2.0.0 36VKKS9J026559-36VKKS9K026559 Message accepted for delivery", "36VKKS9J026559-36VKKS9K026559"],
  ["an old Sendmail", "CAA01516 Message accepted for delivery", "CAA01516"],
  ["OpenSMTPD", "2.0.0 4ff505c9 Message accepted for delivery", "4ff505c9"],
  ["Gmail", "2.0.0 OK  1642091984 z24sm9037572pjq.17 - gsmtp", "z24sm9037572pjq.17"],
  ["Gmail, once more", "2.0.0 OK  1758469083 a1e0cc1a2514c-9000129f5adsm127193241.14 - gsmtp", "a1e0cc1a2514c-9000129f5adsm127193241.14"],
  ["Google's relay", "2.0.0 OK  1642704487 v125si7680590wme.216 - smtp", "v125si7680590wme.216"],
  [
    "Amazon SES",
    "Ok 010001870dbae81e-35118332-f389-474c-8b37-69ce1e1934ae-000000",
    "010001870dbae81e-35118332-f389-474c-8b37-69ce1e1934ae-000000",
  ],
  [
    "Exchange Online",
    "2.6.0 <0100017b0e35a8c6@email.amazonses.com> [InternalId=95992519094146, Hostname=HE1EUR04HT112.eop-eur04.prod.protection.outlook.com] " +
    "13478 bytes in 0.277, 47.373 KB/sec Queued mail for delivery",
    "95992519094146",
  ],
  ["an old Exchange", "2.6.0 <20111025103822.7F94E1C0299@ASTNAGIOS> [InternalId=274498] Queued mail for delivery", "274498"],
  ["qmail", "ok 1375388751 qp 26627", "26627"],
  ["IronPort", "ok:  Message 40279894 accepted", "40279894"],
  ["Ethereal", "Accepted [STATUS=new MSGID=ZO8BDrs4Cney.EXBZcnPdyNjH.7avN-FAAAAmpIr4f]", "ZO8BDrs4Cney.EXBZcnPdyNjH.7avN-FAAAAmpIr4f"],
  ["Dovecot's LMTP", "2.0.0 <alice@x.test> 4xneAKM5A2sbAAAAf1oZPw Saved", "4xneAKM5A2sbAAAAf1oZPw"],
];

for (const [server, reply, id] of QUEUED) {
  Deno.test(`queueId reads the words of ${server}`, () => assertEquals(queueId(Reply.of(250, reply).text), id));
}

Deno.test("queueId guesses at nothing", () => {
  const replies = [
    ...["", "Message accepted", "2.5.0 Message accepted for delivery", "OK Message accepted for delivery", "Accepted Message accepted for delivery"],
    ...["OK: message queued", "2.6.0 saved", "Ok", "ok dirdel", "2.0.0 OK", "Queued (0.125 seconds)", "2.6.0 <a@b.test> Queued mail for delivery"],
    ...["Message received", "Great success", "2.1.5 <alice@x.test> saved it", "Ok 12345678-1234", "OK 1 2 3 - gsmtp"],
  ];
  for (const reply of replies) assertEquals(queueId(Reply.of(250, reply).text), undefined, reply);
});
