/** The characters of octets written in hexadecimal: `05 00`. */
export function hex(digits: string): string {
  return digits.split(/\s+/).filter((pair) => pair !== "").map((pair) => String.fromCharCode(parseInt(pair, 16))).join("");
}

/** The characters of a text in hexadecimal, with spaces between. */
export function toHex(text: string | Uint8Array): string {
  const octets = typeof text === "string" ? Array.from(text, (character) => character.charCodeAt(0)) : [...text];
  return octets.map((octet) => octet.toString(16).padStart(2, "0")).join(" ");
}
