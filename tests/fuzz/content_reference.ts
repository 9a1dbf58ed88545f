/** Content and its framing, octet by octet (one character each) in the plainest way. It shares nothing with the library. */

/** `content` with CRLF at the end of each line, the last included; what is empty stays so. */
export function withCrlf(content: string): string {
  let text = "";
  for (let index = 0; index < content.length; index++) {
    const [octet, next] = [content[index]!, content[index + 1]];
    if (octet === "\r" && next === "\n") {
      text += "\r\n";
      index++;
    } else text += octet === "\r" || octet === "\n" ? "\r\n" : octet;
  }
  return text === "" || text.endsWith("\r\n") ? text : `${text}\r\n`;
}

/** Whether a CR stands without an LF behind it, or an LF without a CR before it. */
export function hasLone(content: string): boolean {
  const octets = content.split("");
  return octets.some((octet, index) => (octet === "\r" && octets[index + 1] !== "\n") || (octet === "\n" && octets[index - 1] !== "\r"));
}

/** How long the headers are: all that comes before an empty line, whatever ends the lines. */
export function headerLength(content: string): number {
  for (let index = 0, start = 0; index < content.length; index++) {
    if (content[index] !== "\r" && content[index] !== "\n") continue;
    if (index === start) return start;
    if (content[index] === "\r" && content[index + 1] === "\n") index++;
    start = index + 1;
  }
  return content.length;
}

/**
 * What a strict server takes out of `wire`, which begins behind the 354 (RFC 5321 section 4.5.2), and what stands behind the final dot. Throws where
 * there is none, and at every CR or LF that is not part of a CRLF: a server that took one for the end of a line would see another message.
 */
export function undotted(wire: string): { readonly content: string; readonly rest: string } {
  let content = "";
  for (let start = 0;;) {
    let end = start;
    while (end < wire.length && wire[end] !== "\r" && wire[end] !== "\n") end++;
    if (wire[end] !== "\r" || wire[end + 1] !== "\n") throw new Error(end === wire.length ? "no final dot" : `a lone line end at ${end}`);
    const line = wire.slice(start, end);
    start = end + 2;
    if (line === ".") return { content, rest: wire.slice(start) };
    content += `${line.startsWith(".") ? line.slice(1) : line}\r\n`;
  }
}
