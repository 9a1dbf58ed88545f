/** The beginning of conversations with a server that has CHUNKING and has taken a login, and one envelope. */

export const HELLO: string = `
  S: 220 mx.example ESMTP
  C: EHLO client.test
  S: 250-mx.example
  S: 250-PIPELINING
  S: 250-BINARYMIME
  S: 250-AUTH PLAIN
  S: 250 CHUNKING
  C: AUTH PLAIN AGEAYg==
  S: 235 ok
`;

export const ENVELOPE: string = `
  C: MAIL FROM:<a@x.test>
  C: RCPT TO:<b@y.test>
`;
