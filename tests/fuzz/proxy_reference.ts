/** What a proxy's octets mean, read in the plainest way from RFC 1928, RFC 1929 and RFC 9112. It shares nothing with the library. */

/** How it ends: a tunnel and the octets behind the last answer, an error of that kind, or a client that waits for more. */
export type Fate = { readonly rest: string } | "auth" | "connection" | "protocol" | "waits";

/** What SOCKS5 comes to, where answer `n` of the proxy follows write `n` of the client. No answer but the last is longer than it must be. */
export function socksFate(answers: readonly string[], hasLogin: boolean): Fate {
  const octets = answers.map((answer) => Array.from(answer, (one) => one.charCodeAt(0)));
  const [method = [], ...others] = octets;
  if (method.length < 2) return "waits";
  if (method[0] !== 5) return "protocol";
  if (method[1] === 0xff) return "auth";
  if (method[1] !== 0 && !(method[1] === 2 && hasLogin)) return "protocol";
  if (method[1] === 2) {
    const [version, status] = others.shift() ?? [];
    if (version === undefined || status === undefined) return "waits";
    if (version !== 1) return "protocol";
    if (status !== 0) return "auth";
  }
  const reply = others[0] ?? [];
  if (reply.length < 2) return "waits";
  if (reply[0] !== 5) return "protocol";
  if (reply[1] !== 0) return "connection";
  if (reply.length < 4) return "waits";
  const [kind, length = -1] = [reply[3], reply[4]];
  if (kind !== 1 && kind !== 3 && kind !== 4) return "protocol";
  const end = kind === 1 ? 10 : kind === 4 ? 22 : length < 0 ? Infinity : 7 + length;
  return reply.length < end ? "waits" : { rest: answers.at(-1)!.slice(end) };
}

/** What the answer to CONNECT comes to. */
export function httpFate(answer: string, maxHead = 16_384): Fate {
  let from = 0;
  for (;;) {
    const start = answer.slice(from, from + 5);
    if (start.length < 5) return "waits";
    if (start !== "HTTP/") return "protocol";
    const lines: string[] = [];
    for (let isOver = false; !isOver;) {
      const lf = answer.indexOf("\n", from);
      // The five octets that tell HTTP from anything else are not counted.
      const uncounted = 5 * (1 + interim(answer.slice(0, from)));
      if ((lf < 0 ? answer.length : lf + 1) - uncounted > maxHead) return "protocol";
      if (lf < 0) return "waits";
      const line = answer.slice(from, lf);
      from = lf + 1;
      lines.push(line.endsWith("\r") ? line.slice(0, -1) : line);
      if (lines.length === 1 && statusOf(line) === undefined) return "protocol";
      isOver = lines.length > 1 && lines.at(-1) === "";
    }
    const status = statusOf(lines[0]!)!;
    if (status < 200 && status !== 101) continue;
    return status === 407 ? "auth" : status < 200 || status > 299 ? "connection" : { rest: answer.slice(from) };
  }
}

/** How many heads of interim answers `text` has. */
function interim(text: string): number {
  return text.split(/(?<=\n)\r?\n/).length - 1;
}

/** status-line = HTTP-version SP status-code [SP reason]; `undefined` where it is none of HTTP/1. */
function statusOf(line: string): number | undefined {
  const text = line.replace(/\r$/, "");
  const words = text.split(" ");
  const [version = "", code = ""] = words;
  const isHttp1 = version.length === 8 && version.startsWith("HTTP/1.") && "0123456789".includes(version[7]!);
  // A bare CR makes the element invalid (RFC 9112 section 2.2).
  return isHttp1 && !text.includes("\r") && code.length === 3 && code >= "100" && code <= "599" &&
      Array.from(code).every((digit) => "0123456789".includes(digit))
    ? Number(code)
    : undefined;
}
