/** Every public method that takes a signal. */
import { connect, type ConnectOptions, type SmtpClient, SmtpConnection, SmtpPool } from "@posthorn/smtp";

const MESSAGE = { from: "a@x.test", to: "b@y.test", body: "hello\r\n" };
const AUTH = { username: "alice", password: "s3cret" };

/** Every method that takes a signal, on a connection of its own. */
export const METHODS: Readonly<Record<string, (options: ConnectOptions, signal: AbortSignal) => Promise<unknown>>> = {
  "connect": (options, signal) => connect({ ...options, signal }),
  "SmtpConnection.open": (options, signal) => SmtpConnection.open({ ...options, signal }),
  ...onConnection({
    ehlo: (c, signal) => c.ehlo("x.test", { signal }),
    lhlo: (c, signal) => c.lhlo("x.test", { signal }),
    helo: (c, signal) => c.helo("x.test", { signal }),
    rset: (c, signal) => c.rset({ signal }),
    vrfy: (c, signal) => c.vrfy("b", { signal }),
    expn: (c, signal) => c.expn("b", { signal }),
    help: (c, signal) => c.help("b", { signal }),
    noop: (c, signal) => c.noop({ signal }),
    quit: (c, signal) => c.quit({ signal }),
    command: (c, signal) => c.command("XYZZY", "", { signal }),
    sendRaw: (c, signal) => c.sendRaw(new Uint8Array(1), { signal }),
    receive: (c, signal) => c.receive({ signal }),
  }),
  ...afterHello({
    mail: (c, signal) => c.mail("a@x.test", { signal }),
    send: (c, signal) => c.send("a@x.test", { signal }),
    soml: (c, signal) => c.soml("a@x.test", { signal }),
    saml: (c, signal) => c.saml("a@x.test", { signal }),
    turn: (c, signal) => c.turn({ signal }),
    atrn: (c, signal) => c.atrn([], { signal }),
    etrn: (c, signal) => c.etrn("x.test", { signal }),
    xclient: (c, signal) => c.xclient({ ADDR: "192.0.2.1" }, { signal }),
    xforward: (c, signal) => c.xforward({ ADDR: "192.0.2.1" }, { signal }),
    startTls: (c, signal) => c.startTls({ signal }),
    auth: (c, signal) => c.auth("PLAIN", new Uint8Array(1), { signal }),
    rcpt: async (c, signal) => (await c.mail("a@x.test"), await c.rcpt("b@y.test", { signal })),
    data: async (c, signal) => (await c.mail("a@x.test"), await c.rcpt("b@y.test"), await c.data({ signal })),
    bdat: async (c, signal) => (await c.mail("a@x.test"), await c.rcpt("b@y.test"), await c.bdat(new Uint8Array(1), { signal })),
    burl: async (c, signal) => (await c.mail("a@x.test"), await c.rcpt("b@y.test"), await c.burl("imap://x.test/", { signal })),
    dotStuff: async (c, signal) => (await c.mail("a@x.test"), await c.rcpt("b@y.test"), await c.data(), await c.dotStuff("hello", { signal })),
    authRespond: async (c, signal) => (await c.auth("PLAIN"), await c.authRespond(new Uint8Array(1), { signal })),
    authCancel: async (c, signal) => (await c.auth("PLAIN"), await c.authCancel({ signal })),
    upgrade: (c, signal) => c.upgrade({}, { signal }),
  }),
  ...onClient({
    hello: (client, signal) => client.hello({ signal }),
    startTls: (client, signal) => client.startTls({ signal }),
    login: (client, signal) => client.login(AUTH, { signal }),
    send: (client, signal) => client.send(MESSAGE, { signal }),
    sendAll: (client, signal) => client.sendAll([MESSAGE], { signal }).next(),
    verify: (client, signal) => client.verify({ signal }),
  }),
  "SmtpPool.send": (options, signal) => new SmtpPool(options).send(MESSAGE, { signal }),
  "SmtpPool.sendAll": (options, signal) => new SmtpPool(options).sendAll([MESSAGE], { signal }).next(),
};

type Asking<T> = Readonly<Record<string, (on: T, signal: AbortSignal) => Promise<unknown>>>;
type Method = (options: ConnectOptions, signal: AbortSignal) => Promise<unknown>;

/** `methods` of a connection that `begin` has brought where they are legal; it is closed behind them. */
function on<T extends { close(): void }>(
  name: string,
  methods: Asking<T>,
  begin: (options: ConnectOptions) => Promise<T>,
): Readonly<Record<string, Method>> {
  return Object.fromEntries(
    Object.entries(methods).map(([method, ask]) => [`${name}.${method}`, async (options: ConnectOptions, signal: AbortSignal) => {
      const subject = await begin(options);
      try {
        return await ask(subject, signal);
      } finally {
        subject.close();
      }
    }]),
  );
}

function onConnection(methods: Asking<SmtpConnection>): Readonly<Record<string, Method>> {
  return on("SmtpConnection", methods, (options) => SmtpConnection.open(options));
}

function afterHello(methods: Asking<SmtpConnection>): Readonly<Record<string, Method>> {
  return on("SmtpConnection", methods, async (options) => {
    const connection = await SmtpConnection.open(options);
    await connection.ehlo("client.test");
    return connection;
  });
}

function onClient(methods: Asking<SmtpClient>): Readonly<Record<string, Method>> {
  return on("SmtpClient", methods, (options) => connect({ ...options, allowCleartextAuth: true }));
}
