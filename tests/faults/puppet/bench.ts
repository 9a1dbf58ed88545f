/** Starts the puppet of `server.ts` with every certificate that a case asks for. */
import { installRuntimes } from "../../runtimes/runtimes.ts";
import { Authority, selfSigned } from "../../support/certificates.ts";

/** A puppet that runs. */
export interface Bench extends AsyncDisposable {
  /** Where its control server is. */
  readonly puppet: string;
  /** The authority of its good certificates, PEM. */
  readonly authority: string;
}

const HOURS = 3_600_000;

/** Starts a puppet. */
export async function startBench(): Promise<Bench> {
  const authority = await Authority.create();
  const stranger = await Authority.create("A Stranger");
  const names = ["localhost", "ip:127.0.0.1"];
  const certificates = {
    good: await authority.leaf(names),
    expired: await authority.leaf(names, { age: 2 * HOURS }),
    clientOnly: await authority.leaf(names, { isClient: true }),
    wildcard: await authority.leaf(["*.test"]),
    nameOnly: await authority.leaf(["localhost"]),
    addressOnly: await authority.leaf(["ip:127.0.0.1"]),
    other: await authority.leaf(["other.test"]),
    stranger: await stranger.leaf(names),
    selfSigned: await selfSigned(names),
  };
  const child = new Deno.Command(`${await installRuntimes()}/node_modules/node24/bin/node`, {
    args: ["--disable-warning=MODULE_TYPELESS_PACKAGE_JSON", new URL("server.ts", import.meta.url).pathname],
    stdin: "piped",
    stdout: "piped",
  }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(`${JSON.stringify(certificates)}\n`));
  const reader = child.stdout.getReader();
  const { value } = await reader.read();
  return {
    puppet: new TextDecoder().decode(value).trim(),
    authority: authority.cert,
    async [Symbol.asyncDispose](): Promise<void> {
      await writer.close();
      await reader.cancel();
      await child.status;
    },
  };
}
