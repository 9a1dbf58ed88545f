/** What a large message costs in memory, measured from outside of any other test: in a process of its own, against a server in this one. */
import { assert, assertEquals } from "@std/assert";
import { SinkServer } from "../support/sink_server.ts";

const MIB = 1_048_576;
const LENGTH = 256 * MIB;
/** A collector that comes late may cost one run some memory; content that is kept costs every run all of it. */
const RUNS = 3;

for (const transfer of ["bdat", "data"]) {
  Deno.test(`SmtpClient.send needs less than 16 MiB for 256 MiB of unknown length (${transfer})`, async () => {
    const grown: number[] = [];
    while (grown.length < RUNS && !grown.some((octets) => octets < 16 * MIB)) {
      await using server = new SinkServer();
      const args = ["run", "--quiet", "--allow-net", "--allow-sys", "--import-map=tests/npm_only.json", "tests/support/upload.ts"];
      const command = new Deno.Command(Deno.execPath(), { args: [...args, `${server.port}`, transfer, `${LENGTH}`] });
      const { success, stdout, stderr } = await command.output();
      assert(success, new TextDecoder().decode(stderr));
      const { idle, peak }: { idle: number; peak: number } = JSON.parse(new TextDecoder().decode(stdout));
      assertEquals([server.messages.length, (server.messages[1] ?? 0) >= LENGTH], [2, true]);
      grown.push(peak - idle);
    }
    assert(grown.some((octets) => octets < 16 * MIB), `it needed ${grown.map((octets) => (octets / MIB).toFixed(1)).join(", ")} MiB`);
  });
}
