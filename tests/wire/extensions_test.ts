import { assertEquals } from "@std/assert";
import { Extensions, parseEhlo, Reply } from "@posthorn/smtp";

Deno.test("parseEhlo does not read the greeting line", () => {
  for (const greeting of ["smtp-auth-starttls.example", "PIPELINING", "SIZE 1000", "STARTTLS AUTH PLAIN", ""]) {
    assertEquals(parseEhlo(Reply.of(250, greeting)).size, 0);
    assertEquals([...parseEhlo(Reply.of(250, greeting, "HELP"))], [["HELP", []]]);
  }
});

Deno.test("parseEhlo reads nothing of a reply that is no success", () => {
  assertEquals(parseEhlo(Reply.of(550, "no", "PIPELINING")).size, 0);
});

Deno.test("Extensions compares keywords without regard to case, whole and in ASCII only", () => {
  const extensions = new Extensions(["pipelining", "8BitMime", "XPIPELINING", "STARTTLS-NOT", "CHUNKıNG", "no starttls here"]);
  assertEquals(["PIPELINING", "Pipelining", "8bitmime"].map((keyword) => extensions.has(keyword)), [true, true, true]);
  assertEquals(["STARTTLS", "CHUNKING", "MIME", "PIPE"].map((keyword) => extensions.has(keyword)), [false, false, false, false]);
});

Deno.test("Extensions keeps parameters as a list, whatever stands between them", () => {
  const extensions = new Extensions(["LIMITS  RCPTMAX=20\tMAILMAX=5 ", "X", "  ", ""]);
  assertEquals([...extensions], [["LIMITS", ["RCPTMAX=20", "MAILMAX=5"]], ["X", []]]);
});

Deno.test("Extensions unites AUTH lines and knows the old form AUTH=", () => {
  const extensions = new Extensions(["AUTH PLAIN login", "AUTH=LOGIN CRAM-MD5", "auth=XOAUTH2"]);
  assertEquals(extensions.get("auth"), ["PLAIN", "login", "LOGIN", "CRAM-MD5", "XOAUTH2"]);
  assertEquals(extensions.authMechanisms, ["PLAIN", "LOGIN", "LOGIN", "CRAM-MD5", "XOAUTH2"]);
  assertEquals(new Extensions(["AUTH="]).authMechanisms, []);
  assertEquals(new Extensions(["AUTHX=PLAIN"]).has("AUTH"), false);
});

Deno.test("Extensions reads a limit by its name, and of one that stands twice the first", () => {
  const extensions = new Extensions(["LIMITS rcptmax=20 MAILMAX=x MAILMAX=5 RCPTMAX=30 RCPTDOMAINMAX=7=8 A B=0 C=1234567 =9"]);
  const names = ["RCPTMAX", "MAILMAX", "RCPTDOMAINMAX", "A", "B", "C", "", "rcptmax", "D"];
  assertEquals(names.map((name) => extensions.limit(name)), [20, undefined, 7, undefined, undefined, undefined, 9, undefined, undefined]);
  assertEquals(new Extensions(["SIZE 5"]).limit("RCPTMAX"), undefined);
});
