/** What must be on the wire for some content, by RFC 5321 sections 2.3.8, 4.1.1.4 and 4.5.2 and RFC 3030 section 2: written from those alone. */
import { assertEquals } from "@std/assert";

/** The lines of `content`, whatever ends them, each with CRLF. Octets are characters here, one each. */
export function normalized(content: string): string {
  let result = "";
  let line = "";
  let index = 0;
  while (index < content.length) {
    const one = content[index];
    if (one === "\r" && content[index + 1] === "\n") index += 2;
    else if (one === "\r" || one === "\n") index += 1;
    else {
      line += one;
      index += 1;
      continue;
    }
    result += `${line}\r\n`;
    line = "";
  }
  return line === "" ? result : `${result}${line}\r\n`;
}

/** What stands behind the 354 for `content`, the final dot included. */
export function dotted(content: string): string {
  const lines = normalized(content).split("\r\n").slice(0, -1);
  return [...lines.map((line) => line.startsWith(".") ? `.${line}` : line), ".", ""].join("\r\n");
}

/** That no server, however it reads line ends, finds the end of data anywhere but at the end (CVE-2023-51764 and its kin). */
export function assertOneEnd(raw: string, what: string): void {
  for (const end of ["\r\n", "\n", "\r"]) {
    for (const begin of ["\r\n", "\n", "\r"]) {
      const at = `${begin}${raw}`.indexOf(`${begin}.${end}`);
      const isLast = at < 0 || at + begin.length + 1 + "\r\n".length === begin.length + raw.length;
      assertEquals(isLast, true, `${what}: ${JSON.stringify(begin)} and a dot and ${JSON.stringify(end)} end it early`);
    }
  }
  assertEquals(/[^\r]\n|\r[^\n]|^\n|\r$/.test(raw), false, `${what}: a CR or an LF stands alone`);
}
