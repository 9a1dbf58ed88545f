"""aiosmtpd_server.py DIR PORT: see aiosmtpd.sh."""

import asyncio
import os
import ssl
import sys
import time

from aiosmtpd.lmtp import LMTP
from aiosmtpd.smtp import SMTP, AuthResult

DIR, PORT = sys.argv[1], int(sys.argv[2])
LIMIT = 2 * 2**20


def save(user, octets):
    folder = os.path.join(DIR, "mail", user, "new")
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, str(time.time_ns())), "wb") as file:
        file.write(octets)


def mailbox(address):
    local_part = address.split("@")[0].lower()
    return "".join(c if c.isascii() and (c.isalnum() or c in "._+-") else "_" for c in local_part)


class Handler:
    async def handle_RCPT(self, server, session, envelope, address, options):
        local_part, _, domain = address.rpartition("@")
        if local_part == "reject":
            return "550 5.1.1 no such user"
        if local_part == "defer":
            return "450 4.2.0 try later"
        if domain not in ("x.test", "mail.test") and not session.authenticated:
            return "550 5.7.1 relaying denied"
        envelope.rcpt_tos.append(address)
        envelope.rcpt_options.extend(options)
        return "250 2.1.5 OK"

    async def handle_DATA(self, server, session, envelope):
        replies = [self.deliver(recipient, envelope) for recipient in envelope.rcpt_tos]
        return "\r\n".join(replies) if isinstance(server, LMTP) else replies[0]

    def deliver(self, recipient, envelope):
        user = mailbox(recipient)
        if user == "full":
            return "552 5.2.2 mailbox full"
        if user == "late":
            return "451 4.2.0 try later"
        save(user, envelope.original_content)
        return "250 2.0.0 saved"


def authenticate(server, session, envelope, mechanism, data):
    is_right = getattr(data, "login", None) == b"alice" and data.password == b"s3cret"
    return AuthResult(success=is_right, handled=False)


async def main():
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(DIR + "/certs/server.pem", DIR + "/certs/server.key")
    handler = Handler()
    both = dict(hostname="mail.test", ident="aiosmtpd", data_size_limit=LIMIT, enable_SMTPUTF8=True, command_call_limit=100_000)
    smtp = dict(both, authenticator=authenticate, auth_require_tls=False)
    loop = asyncio.get_running_loop()
    await loop.create_server(lambda: SMTP(handler, tls_context=tls, **smtp), "127.0.0.1", PORT)
    await loop.create_server(lambda: SMTP(handler, **smtp), "127.0.0.1", PORT + 1, ssl=tls)
    await loop.create_server(lambda: LMTP(handler, **both), "127.0.0.1", PORT + 2)
    await loop.create_unix_server(lambda: LMTP(handler, **both), DIR + "/lmtp.sock")
    os.chmod(DIR + "/lmtp.sock", 0o666)
    await asyncio.Event().wait()


asyncio.run(main())
