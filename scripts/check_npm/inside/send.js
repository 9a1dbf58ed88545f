/**
 * `node send.js BUNDLE node|workers`: sends a message with a bundle of `sender.js`. For Workers the global that tells them apart is there, the module
 * `cloudflare:sockets` is a small stand-in, and Node's own sockets are not to be had: what goes out went through the right dialer.
 */
import { register } from "node:module";
import process from "node:process";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { startServer } from "./server.js";

const [bundle, platform] = process.argv.slice(2);
const port = await startServer();
if (platform === "workers") {
  Object.defineProperty(globalThis, "navigator", { value: { userAgent: "Cloudflare-Workers" } });
  register("./sockets_hook.js", import.meta.url);
  process.getBuiltinModule = () => {
    throw new Error("a Worker asked for a module of Node");
  };
}
const { send } = await import(pathToFileURL(resolve(bundle)).href);
const queueId = await send(port);
if (queueId !== "A1B2C3") throw new Error(`the message was not queued as A1B2C3 but as ${queueId}`);
