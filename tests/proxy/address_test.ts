/** IP addresses as a proxy is told of them: every way to write one, and none that is another machine's. */
import { assertEquals } from "@std/assert";
import { formatIp, parseEndpoint, parseHost, parseIp } from "../../src/proxy/address.ts";
import { toHex } from "../support/octets.ts";

const ADDRESSES: readonly (readonly [text: string, octets: string, canonical: string])[] = [
  ["0.0.0.0", "00 00 00 00", "0.0.0.0"],
  ["192.0.2.255", "c0 00 02 ff", "192.0.2.255"],
  ["::", "00 ".repeat(16).trim(), "::"],
  ["::1", `${"00 ".repeat(15)}01`, "::1"],
  ["1::", `00 01 ${"00 ".repeat(14)}`.trim(), "1::"],
  ["2001:db8::1:0:0:1", "20 01 0d b8 00 00 00 00 00 01 00 00 00 00 00 01", "2001:db8::1:0:0:1"],
  ["2001:0DB8:0000:0000:0000:0000:0000:0001", "20 01 0d b8 00 00 00 00 00 00 00 00 00 00 00 01", "2001:db8::1"],
  ["1:2:3:4:5:6:7:8", "00 01 00 02 00 03 00 04 00 05 00 06 00 07 00 08", "1:2:3:4:5:6:7:8"],
  ["1:2:3:4:5:6:7::", "00 01 00 02 00 03 00 04 00 05 00 06 00 07 00 00", "1:2:3:4:5:6:7:0"],
  ["::ffff:192.0.2.1", "00 00 00 00 00 00 00 00 00 00 ff ff c0 00 02 01", "::ffff:c000:201"],
];

Deno.test("parseIp reads every form of an address, and formatIp writes one", () => {
  for (const [text, octets, canonical] of ADDRESSES) {
    const ip = parseIp(text);
    assertEquals(toHex(ip ?? ""), octets, text);
    assertEquals(formatIp(ip!), canonical);
    // Wherever in a buffer it lies.
    assertEquals(formatIp(Uint8Array.of(9, ...ip!).subarray(1)), canonical);
  }
});

Deno.test("parseIp takes nothing for an address that a resolver may take for another", () => {
  const none = ["", "1", "127.1", "0x7f.0.0.1", "0177.0.0.1", "01.2.3.4", "1.2.3.4.", "1.2.3", "1.2.3.4.5", "1.2.3.256", "1.2.3.4 ", "a", "a.b.c.d"];
  const nor = [":", ":::", "1:2", "1::2::3", "1:2:3:4:5:6:7:8:9", "::1%eth0", "[::1]", "::g", "::12345", "::1/64", "::1]@[::2", "1.2.3.4:25"];
  for (const text of [...none, ...nor]) assertEquals(parseIp(text), undefined, text);
});

Deno.test("parseEndpoint reads what a socket says of itself, and nothing else", () => {
  assertEquals(parseEndpoint("192.0.2.1:25"), { ip: Uint8Array.of(192, 0, 2, 1), port: 25 });
  assertEquals(parseEndpoint("[::1]:0")?.port, 0);
  assertEquals(parseEndpoint("[fe80::1%eth0]:25"), parseEndpoint("[fe80::1]:25"));
  for (
    const text of ["", "192.0.2.1", "192.0.2.1:", "192.0.2.1:65536", "192.0.2.1:-1", "::1:25", "[::1]", "[::1]25", "[]:25", "[%eth0]:25", "mx:25"]
  ) {
    assertEquals(parseEndpoint(text), undefined, text);
  }
});

Deno.test("parseHost knows an address for one, in whatever digits it is written", () => {
  const octets = Uint8Array.of(192, 0, 2, 1);
  for (const text of ["192.0.2.1", "\u200b192.0.2.1", "\uff11\uff19\uff12.0.2.1"]) assertEquals(parseHost(text), { name: "192.0.2.1", ip: octets });
});
