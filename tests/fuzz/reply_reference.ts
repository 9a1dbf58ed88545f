/**
 * What octets of a server mean, read from RFC 5321 sections 2.3.8, 4.2 and 4.2.1 in the plainest way: all of them at once, as one text. It shares
 * nothing with the library, so that the two can be wrong in different ways only.
 */

/** Bounds, as {@linkcode ReplyDecoderOptions} has them. */
export interface Bounds {
  readonly maxLineLength: number;
  readonly maxReplyLength: number;
  readonly maxReplyLines: number;
}

/** What there is to say of octets. */
export interface Meaning {
  readonly replies: readonly (readonly [code: number, ...lines: string[]])[];
  /** How they end: between two replies, inside one, or at something that is none. */
  readonly end: "between" | "inside" | "fault";
}

/** What `octets`, one character each, mean. */
export function meaningOf(octets: string, { maxLineLength, maxReplyLength, maxReplyLines }: Bounds): Meaning {
  const replies: [number, ...string[]][] = [];
  const lines = octets.split("\n");
  const rest = lines.pop() ?? "";
  let open: string[] = [];
  let length = 0;
  for (const whole of lines) {
    const line = whole.endsWith("\r") ? whole.slice(0, -1) : whole;
    // Reply-line = *( Reply-code "-" [ textstring ] CRLF ) Reply-code [ SP textstring ] CRLF
    const isReply = "2345".includes(line.charAt(0) || "?") && isDigit(line.charAt(1)) && isDigit(line.charAt(2)) && " -".includes(line.charAt(3));
    const isOther = open.length > 0 && open[0]?.slice(0, 3) !== line.slice(0, 3);
    length += line.length;
    if (line.length > maxLineLength || !isReply || isOther || length > maxReplyLength || open.length === maxReplyLines) {
      return { replies, end: "fault" };
    }
    open.push(line);
    if (line.charAt(3) === "-") continue;
    replies.push([Number(line.slice(0, 3)), ...open.map((one) => textOf(one.slice(4)))]);
    open = [];
    length = 0;
  }
  // The CR of a line's end may be there already.
  if (rest.length > maxLineLength + 1) return { replies, end: "fault" };
  return { replies, end: rest === "" && open.length === 0 ? "between" : "inside" };
}

/** The text of octets: UTF-8, or else one character each. */
export function textOf(octets: string): string {
  try {
    return decodeURIComponent(octets.replace(/[^]/g, (octet) => `%${octet.charCodeAt(0).toString(16).padStart(2, "0")}`));
  } catch {
    return octets;
  }
}

function isDigit(character: string): boolean {
  return character >= "0" && character <= "9" && character.length === 1;
}
