// smtp_server_server.cjs DIR PORT: see smtp_server.sh.
const fs = require("node:fs");
const path = require("node:path");
const { SMTPServer } = require("smtp-server");

const [, , dir, first] = process.argv;
const port = Number(first);
const read = (name) => fs.readFileSync(path.join(dir, name), "utf8");
const token = read("token").trim();
let count = 0;

const refusal = (responseCode, message) => Object.assign(new Error(message), { responseCode });
const mailbox = (address) => address.split("@")[0].toLowerCase().replace(/[^a-z0-9._+-]/g, "_");

function isRight({ method, username, password, accessToken, validatePassword }) {
  if (username !== "alice") return false;
  if (method === "XOAUTH2") return accessToken === token;
  return method === "CRAM-MD5" ? validatePassword("s3cret") : password === "s3cret";
}

function deliver({ address }, octets) {
  const user = mailbox(address);
  if (user === "full") return refusal(552, "mailbox full");
  const folder = path.join(dir, "mail", user, "new");
  fs.mkdirSync(folder, { recursive: true });
  fs.writeFileSync(path.join(folder, `${Date.now()}.${count++}`), octets);
  return "saved";
}

const options = {
  name: "mail.test",
  banner: "smtp-server",
  key: read("certs/server.key"),
  cert: read("certs/server.pem"),
  ca: [read("certs/ca.pem")],
  requestCert: true,
  rejectUnauthorized: false,
  size: 2 * 2 ** 20,
  authOptional: true,
  authMethods: ["PLAIN", "LOGIN", "CRAM-MD5", "XOAUTH2"],
  allowInsecureAuth: true,
  useXClient: true,
  useXForward: true,
  hideENHANCEDSTATUSCODES: false,
  hideDSN: false,
  hideREQUIRETLS: false,
  disableReverseLookup: true,
  onAuth(auth, _session, callback) {
    if (isRight(auth)) return callback(null, { user: "alice" });
    if (auth.method === "XOAUTH2") return callback(null, { data: { status: "401", schemes: "bearer" } });
    return callback(refusal(535, "bad credentials"));
  },
  onRcptTo({ address }, { user }, callback) {
    const [localPart, domain] = address.split("@");
    if (localPart === "reject") return callback(refusal(550, "no such user"));
    if (localPart === "defer") return callback(refusal(450, "try later"));
    const isLocal = domain === "x.test" || domain === "mail.test";
    return callback(isLocal || user ? null : refusal(550, "relaying denied"));
  },
  onData(stream, { envelope, transmissionType }, callback) {
    const chunks = [];
    stream.on("data", (chunk) => chunks.push(chunk));
    stream.on("end", () => {
      if (stream.sizeExceeded) return callback(refusal(552, "too big"));
      const replies = envelope.rcptTo.map((recipient) => deliver(recipient, Buffer.concat(chunks)));
      return callback(null, transmissionType.startsWith("LMTP") ? replies : replies[0]);
    });
  },
};

function start(more, ...where) {
  const server = new SMTPServer({ ...options, ...more });
  server.on("error", ({ message }) => console.error(message));
  server.listen(...where);
}

start({}, port, "127.0.0.1");
start({ secure: true }, port + 1, "127.0.0.1");
start({ lmtp: true }, port + 2, "127.0.0.1");
start({ lmtp: true }, path.join(dir, "lmtp.sock"));
