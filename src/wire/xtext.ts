import { hex } from "./text.ts";

/**
 * `text`, without lone surrogates, as xtext: every octet outside `!` to `~`, and `+` and `=`, as `+` and two hexadecimal digits.
 *
 * Source: RFC 3461 section 4.
 */
export function xtext(text: string): string {
  return text.replace(/[^!-~]|[+=]/gu, (character) => encodeURIComponent(character).replaceAll("%", "+"));
}

/**
 * `text` as utf-8-addr-unitext: as it is, but for the characters that a parameter cannot hold, which become `\x{HEX}`.
 *
 * Source: RFC 6533 section 3.
 */
export function unitext(text: string): string {
  return text.replace(/[^!-~\u0080-\u{10ffff}]|[+=\\]/gu, (character) => `\\x{${hex(character.codePointAt(0)!).toUpperCase()}}`);
}
