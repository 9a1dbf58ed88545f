// A plugin of Haraka: who is known, who is not, and where the message goes.
const fs = require("node:fs");
const path = require("node:path");
const DSN = require("haraka-dsn");

const LOCAL = ["x.test", "mail.test"];
let count = 0;

exports.register = function () {
  this.register_hook("rcpt", "recipient");
  this.register_hook("queue", "keep");
  this.register_hook("queue_outbound", "keep");
};

exports.recipient = function (next, _connection, [{ user, host }]) {
  if (user === "reject") return next(DENY, DSN.no_such_user("no such user"));
  if (user === "defer") return next(DENYSOFT, DSN.create(450, "try later", 2, 0));
  return LOCAL.includes(host) ? next(OK) : next();
};

exports.keep = function (next, { transaction }) {
  const users = transaction.rcpt_to.map(({ user }) => user.toLowerCase().replace(/[^a-z0-9._+-]/g, "_"));
  transaction.message_stream.get_data((octets) => {
    for (const user of users) {
      const folder = path.join(process.env.MAIL, user, "new");
      fs.mkdirSync(folder, { recursive: true });
      fs.writeFileSync(path.join(folder, `${Date.now()}.${count++}`), octets);
    }
    next(OK);
  });
};
