/** The notation of conversations, which servers in memory and servers on real sockets share. */
import { hex } from "./octets.ts";

/** A step: octets that one side says, one character each; or what is no line, with what stands behind its brace. */
export type Step =
  | { readonly from: "C" | "S"; readonly text: string }
  | { readonly from: "C" | "S"; readonly event: string; readonly argument: string };

/** The steps of `script`, a line each. */
export function steps(script: string): Step[] {
  const result: Step[] = [];
  for (const line of script.split("\n").map((line) => line.trim()).filter((line) => line !== "")) {
    const [, from, text = ""] = /^([SC]):(?: (.*))?$/.exec(line) ?? [];
    if (from !== "S" && from !== "C") throw new Error(`no line of a conversation: ${line}`);
    const [, event, argument = ""] = /^\{(\w+)\}(?: (.*))?$/.exec(text) ?? [];
    if (event === "octets") result.push({ from, text: hex(argument) });
    else if (event === "part") result.push({ from, text: argument });
    else if (event !== undefined) result.push({ from, event, argument });
    else result.push({ from, text: `${octetsOf(text)}\r\n` });
  }
  return result;
}

/** How a step stands in a script. */
export function shown(step: Step): string {
  return `${step.from}: ${"event" in step ? `{${step.event}} ${step.argument}`.trimEnd() : step.text.trimEnd()}`;
}

/** `text` in UTF-8, one character an octet. */
function octetsOf(text: string): string {
  return Array.from(new TextEncoder().encode(text), (octet) => String.fromCharCode(octet)).join("");
}
