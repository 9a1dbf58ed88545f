/** A message to two recipients, and what is said of it. */
import type { Message } from "@posthorn/smtp";

export const BODY: string = "Subject: a\r\n\r\nhi\r\n";
export const MESSAGE: Message = { from: "a@x.test", to: ["b@y.test", "c@y.test"], body: BODY };
export const ENVELOPE: string = `
  C: MAIL FROM:<a@x.test>
  C: RCPT TO:<b@y.test>
  C: RCPT TO:<c@y.test>
  C: DATA
`;
export const CONTENT: string = `
  C: Subject: a
  C:
  C: hi
  C: .
`;
