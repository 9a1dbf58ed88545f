/** A Worker with a contact form: what a visitor posts becomes a mail to one fixed address. */
import { connect, SmtpError } from "@posthorn/smtp";
import { compose, type Contact, readContact } from "./mail.ts";

/** The settings: `vars` of wrangler.jsonc, and the password as a secret. */
export interface Env {
  readonly SMTP_HOST: string;
  readonly SMTP_PORT: string;
  readonly SMTP_USER: string;
  readonly SMTP_PASSWORD: string;
  /** The mailbox that sends: where bounces go. */
  readonly MAIL_FROM: string;
  /** The mailbox that every message goes to. */
  readonly MAIL_TO: string;
}

export default {
  async fetch(request: Request, env: Env): Promise<Response> {
    const { pathname } = new URL(request.url);
    if (request.method === "POST" && pathname === "/") return await receive(request, env);
    if (request.method !== "GET" && request.method !== "HEAD") {
      return new Response("Method not allowed\n", { status: 405, headers: { allow: pathname === "/" ? "GET, HEAD, POST" : "GET, HEAD" } });
    }
    if (pathname === "/") return page(200, "Write to us", FORM);
    if (pathname === "/thanks") return page(200, "Thank you", "<p>Your message is on its way. We will answer by mail.</p>");
    return page(404, "Not found", '<p>There is nothing here but <a href="/">a form</a>.</p>');
  },
};

async function receive(request: Request, env: Env): Promise<Response> {
  let form: FormData;
  try {
    form = await request.formData();
  } catch {
    return page(400, "That was no form", '<p>Please use <a href="/">ours</a>.</p>');
  }
  const contact = readContact(form);
  if ("message" in contact) return await deliver(contact, env);
  return page(400, "Something is missing", `<ul>${contact.map((fault) => `<li>${fault}</li>`).join("")}</ul><p>Please go back and try again.</p>`);
}

async function deliver(contact: Contact, env: Env): Promise<Response> {
  const { MAIL_FROM: from, MAIL_TO: to } = env;
  try {
    await using client = await connect({
      hostname: env.SMTP_HOST,
      port: Number(env.SMTP_PORT),
      tls: "starttls",
      auth: { username: env.SMTP_USER, password: env.SMTP_PASSWORD },
      // A visitor waits for the answer, and RFC 5321 has minutes.
      signal: AbortSignal.timeout(20_000),
    });
    await client.send({ from, to, body: compose(contact, from, to) }, { signal: AbortSignal.timeout(20_000) });
  } catch (error) {
    // The visitor learns no more than whether to write again; the rest is for the log, and no error of the library has a secret in it.
    console.error(error instanceof SmtpError ? `${error.message} (kind ${error.kind}, phase ${error.phase}, delivery ${error.delivery})` : error);
    const isUnknown = error instanceof SmtpError && error.delivery === "unknown";
    return page(
      502,
      isUnknown ? "We are not sure" : "Not sent",
      isUnknown
        ? "<p>The connection broke at the last moment: your message may have arrived, or not.</p>"
        : "<p>Your message could not be sent. Please go back and try again later.</p>",
    );
  }
  return new Response(null, { status: 303, headers: { location: "/thanks" } });
}

const FORM = `<form method="post" action="/">
<p><label>Your name<br><input name="name" required maxlength="100" autocomplete="name"></label></p>
<p><label>Your e-mail address<br><input name="email" type="email" required maxlength="254" autocomplete="email"></label></p>
<p><label>Your message<br><textarea name="message" required maxlength="10000" rows="8" cols="60"></textarea></label></p>
<p><button>Send</button></p>
</form>`;

/** A page of ours; nothing that a visitor wrote is ever in it, so nothing has to be escaped. */
function page(status: number, title: string, content: string): Response {
  const html = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>${title}</title>
<h1>${title}</h1>
${content}
</html>
`;
  return new Response(html, {
    status,
    headers: { "content-type": "text/html; charset=utf-8", "content-security-policy": "default-src 'none'; form-action 'self'" },
  });
}
