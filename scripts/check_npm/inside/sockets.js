/** A stand-in for `cloudflare:sockets`: TCP in the clear. */
import { connect as connectTcp } from "node:net";
import { Duplex } from "node:stream";

export function connect({ hostname, port }) {
  const socket = connectTcp(port, hostname);
  const { readable, writable } = Duplex.toWeb(socket);
  return {
    readable,
    writable,
    opened: new Promise((resolve, reject) => socket.on("connect", () => resolve({})).on("error", reject)),
    closed: new Promise((resolve) => socket.on("close", resolve)),
    close: () => Promise.resolve(void socket.destroy()),
  };
}
