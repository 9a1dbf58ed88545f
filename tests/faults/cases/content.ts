/** B: the end of data, and smuggling. */
import { assertEquals } from "@std/assert";
import { BYE, connectTo, HELLO } from "../../support/client.ts";
import { type Fault, inEachDelivery } from "../fault.ts";

export const content: readonly Fault[] = [
  {
    name: "F19 A message that does not end with a line end gets exactly one",
    run: () =>
      inEachDelivery(
        `${HELLO}
        C: MAIL FROM:<a@x.test>
        C: RCPT TO:<b@y.test>
        C: DATA
        S: 250 ok
        S: 250 ok
        S: 354 go
        C: Subject: a
        C:
        C: end
        C: .
        S: 250 taken
        ${BYE}`,
        async (server) => {
          await using client = await connectTo(server);
          const { accepted } = await client.send({ from: "a@x.test", to: "b@y.test", body: "Subject: a\r\n\r\nend" });
          assertEquals(accepted.length, 1);
        },
      ),
  },
];
