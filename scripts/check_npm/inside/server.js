/** A mail server that says yes to everything, for one message; the queue id is `A1B2C3`. */
import { createServer } from "node:net";

const REPLIES = { EHLO: "250-localhost\r\n250-PIPELINING\r\n250 8BITMIME", DATA: "354 go on", QUIT: "221 bye" };

/** Resolves with the port that it listens on. */
export function startServer() {
  const server = createServer((socket) => {
    let pending = "";
    let isContent = false;
    const say = (reply) => socket.write(`${reply}\r\n`);
    say("220 localhost ESMTP");
    socket.on("error", () => {});
    socket.on("data", (chunk) => {
      const lines = (pending + chunk).split("\r\n");
      pending = lines.pop() ?? "";
      for (const line of lines) {
        if (isContent) {
          if (line !== ".") continue;
          isContent = false;
          say("250 2.0.0 Ok: queued as A1B2C3");
          continue;
        }
        const verb = line.slice(0, 4).toUpperCase();
        isContent = verb === "DATA";
        say(REPLIES[verb] ?? "250 2.0.0 Ok");
      }
    });
  });
  server.unref();
  return new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(server.address().port)));
}
