/** The Worker of the examples runs under Cloudflare's own runtime, bundled as it stands, and its mail reaches a real server. */
import { assert, assertEquals } from "@std/assert";
import { compose, readContact } from "../../examples/worker/src/mail.ts";
import { Authority } from "../support/certificates.ts";
import { MailServer, USER } from "../support/mail_server.ts";
import { NpmProject } from "../support/npm_project.ts";
import { WorkerHost } from "../support/worker_host.ts";

const root = new URL("../../", import.meta.url);
const folder = "examples/worker";

/** The tools, each at one version: a test must not change because somebody published something. This Miniflare is one that Node 20 runs. */
const TOOLS = ["miniflare@4.20260426.0", "esbuild@0.28.2", "typescript@5.9.3", "@cloudflare/workers-types@5.20261117.1"];

let authority: Authority;
let project: NpmProject;
let script: string;
let compatibilityDate: string;

Deno.test.beforeAll(async () => {
  authority = await Authority.create();
  project = await NpmProject.create(TOOLS);
  for (const path of ["src/index.ts", "src/mail.ts"]) await project.copy(`${folder}/${path}`);
  const settings = await Deno.readTextFile(new URL(`${folder}/wrangler.jsonc`, root));
  const { main, compatibility_date } = JSON.parse(settings.replaceAll(/^\s*\/\/.*$/gm, ""));
  compatibilityDate = compatibility_date;
  script = await project.mustRun("node", [
    ...[
      "node_modules/esbuild/bin/esbuild",
      `${folder}/${main}`,
      "--bundle",
      "--format=esm",
      "--target=es2024",
      "--conditions=workerd,worker,browser",
    ],
    "--log-level=warning",
  ]);
});

Deno.test.afterAll(() => project[Symbol.asyncDispose]());

const CONTACT = { name: "Zoë Müller", email: "zoe@example.com", message: "Grüße!\n.\nBis bald" };

async function start(server: MailServer, more: Readonly<Record<string, string>> = {}): Promise<WorkerHost> {
  const env = { SMTP_HOST: "localhost", SMTP_PORT: `${server.port}`, SMTP_USER: USER.username, SMTP_PASSWORD: USER.password };
  const bindings = { ...env, MAIL_FROM: "forms@example.com", MAIL_TO: "office@example.com", ...more };
  return await WorkerHost.start(project, { script, compatibilityDate, bindings, caCerts: [authority.cert] });
}

async function ask(url: string, init: RequestInit = {}): Promise<{ status: number; location: string | null; text: string }> {
  const response = await fetch(url, { redirect: "manual", ...init });
  return { status: response.status, location: response.headers.get("location"), text: await response.text() };
}

function post(url: string, fields: Readonly<Record<string, string>>): Promise<{ status: number; location: string | null; text: string }> {
  return ask(url, { method: "POST", body: new URLSearchParams(fields) });
}

Deno.test("the Worker shows a form, and what is posted becomes a mail, over STARTTLS and after a login", async () => {
  await using server = await MailServer.start(await authority.leaf(["localhost"]));
  await using worker = await start(server);
  const form = await ask(worker.url);
  assertEquals(form.status, 200);
  for (const field of ["name", "email", "message"]) assert(form.text.includes(`name="${field}"`), form.text);

  const { status, location } = await post(worker.url, CONTACT);
  assertEquals([status, location], [303, "/thanks"]);
  const thanks = await ask(`${worker.url}thanks`);
  assertEquals(thanks.status, 200);
  assert(thanks.text.includes("Thank you"), thanks.text);

  const [message] = server.messages;
  assertEquals(server.messages.length, 1);
  assertEquals([message?.from, message?.to, message?.isSecure, message?.user], ["forms@example.com", ["office@example.com"], true, "alice"]);
  assertEquals(server.logins, [`PLAIN ${USER.username} ${USER.password}`]);
  const mail = parsed(new TextDecoder().decode(message?.bytes));
  assertEquals(mail.headers["reply-to"], "Zoë Müller <zoe@example.com>");
  assertEquals(mail.headers["subject"], "Message from Zoë Müller");
  assertEquals(mail.content, "Grüße!\r\n.\r\nBis bald");
});

Deno.test("the Worker refuses what is no good form, and sends nothing", async () => {
  await using server = await MailServer.start(await authority.leaf(["localhost"]));
  await using worker = await start(server);
  const bad: Record<string, string>[] = [
    {},
    { ...CONTACT, name: "" },
    { ...CONTACT, name: "Zoë\r\nBcc: everybody@example.com" },
    { ...CONTACT, email: "zoe@example.com\r\nBcc: everybody@example.com" },
    { ...CONTACT, email: "zoe@example.com, everybody@example.com" },
    { ...CONTACT, email: "zoë@example.com" },
    { ...CONTACT, message: "x".repeat(10_001) },
  ];
  for (const fields of bad) {
    const { status, text } = await post(worker.url, fields);
    assertEquals(status, 400, JSON.stringify(fields));
    assertEquals(text.includes("everybody"), false);
  }
  assertEquals((await ask(worker.url, { method: "POST", body: "{}", headers: { "content-type": "application/json" } })).status, 400);
  for (const method of ["PUT", "DELETE", "PATCH"]) assertEquals((await ask(worker.url, { method })).status, 405);
  assertEquals((await ask(`${worker.url}thanks`, { method: "POST" })).status, 405);
  assertEquals((await ask(`${worker.url}admin`)).status, 404);
  assertEquals([server.messages, server.logins], [[], []]);
});

Deno.test("the Worker shows an error page without secrets, and logs what happened, when the server refuses", async () => {
  await using server = await MailServer.start(await authority.leaf(["localhost"]));
  await using worker = await start(server, { SMTP_PASSWORD: "wr0ng-s3cret" });
  const { status, text } = await post(worker.url, CONTACT);
  assertEquals(status, 502);
  assert(text.includes("could not be sent"), text);
  const log = await worker.stop();
  assert(log.includes("(kind authentication, phase auth, delivery not-sent)"), log);
  for (const said of [text, log]) assertEquals(said.includes("wr0ng") || said.includes(btoa("\0alice\0wr0ng-s3cret")), false, said);
  assertEquals(server.messages, []);
});

Deno.test("the Worker sends neither mail nor password to a server whose certificate nobody vouches for", async () => {
  const stranger = await Authority.create("Stranger");
  await using server = await MailServer.start(await stranger.leaf(["localhost"]));
  await using worker = await start(server);
  const { status } = await post(worker.url, CONTACT);
  assertEquals(status, 502);
  const log = await worker.stop();
  assert(log.includes("(kind tls, "), log);
  assertEquals([server.messages, server.logins], [[], []]);
});

Deno.test("the Worker passes a strict check with the types of Cloudflare", async () => {
  await project.checkTypes([`${folder}/src/index.ts`], ["@cloudflare/workers-types"], { module: "preserve", moduleResolution: "bundler" });
});

Deno.test("the Worker's mail has no header but its own, and no line longer than 78 characters, whatever a visitor writes", () => {
  const form = new FormData();
  const name = `${"\u{1f4ef}é\u2028".repeat(24)}<b>"`;
  for (const [key, value] of Object.entries({ name, email: `"a\\"b, c"@[192.0.2.1]`, message: "\u0085\r.\r\n\r\nBcc: x\n" })) form.set(key, value);
  assertEquals(Array.isArray(readContact(form)), true);
  form.set("email", "zoe@example.com");
  const contact = readContact(form);
  assert("email" in contact);
  const mail = compose(contact, "forms@example.com", "office@example.com");
  assert(/^[\r\n -~]*$/.test(mail));
  assertEquals(mail.replaceAll("\r\n", "").match(/[\r\n]/), null);
  assertEquals(mail.split("\r\n").filter((line) => line.length > 78), []);
  const { headers, content } = parsed(mail);
  assertEquals(headers["reply-to"], `${name} <zoe@example.com>`);
  assertEquals(headers["subject"], `Message from ${name}`);
  const names = "content-transfer-encoding content-type date from message-id mime-version reply-to subject to";
  assertEquals(Object.keys(headers).sort(), names.split(" "));
  assertEquals(content, "\u0085\r\n.\r\n\r\nBcc: x");
});

/** Reads a mail of base64 the way a mail program does. */
function parsed(mail: string): { headers: Record<string, string>; content: string } {
  const end = mail.indexOf("\r\n\r\n");
  const decode = (base64: string) => new TextDecoder().decode(Uint8Array.from(atob(base64), (character) => character.charCodeAt(0)));
  const headers: Record<string, string> = {};
  for (const line of mail.slice(0, end).replaceAll(/\r\n(?= )/g, "").split("\r\n")) {
    const colon = line.indexOf(": ");
    // The space between two encoded words does not count (RFC 2047 section 6.2).
    const value = line.slice(colon + 2).replaceAll(/\?= +(?==\?)/g, "?=").replaceAll(/=\?utf-8\?B\?(.*?)\?=/g, (_, word) => decode(word));
    headers[line.slice(0, colon).toLowerCase()] = value;
  }
  return { headers, content: decode(mail.slice(end + 4).replaceAll("\r\n", "")) };
}
