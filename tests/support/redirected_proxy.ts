/** The proxies as the README's snippets see them: every one they name is the proxy of the test. */
import { dial, type Dialer } from "../../mod.ts";
import * as proxies from "../../src/proxy/mod.ts";

export * from "../../src/proxy/mod.ts";

const port = Number(Deno.env.get("TEST_PROXY"));
const dialHere: Dialer = (options) => dial({ ...options, hostname: "127.0.0.1", port });

export function socks5(options: proxies.Socks5Options): Dialer {
  return proxies.socks5({ dial: dialHere, ...options });
}

export function httpConnect(options: proxies.HttpConnectOptions): Dialer {
  return proxies.httpConnect({ dial: dialHere, ...options });
}
