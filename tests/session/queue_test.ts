import { assertEquals } from "@std/assert";
import { Queue } from "../../src/session/queue.ts";

Deno.test("Queue keeps its order however long it is in use without being empty, and whatever is taken out of its middle", () => {
  const queue = new Queue<number>();
  const expected: number[] = [];
  for (let next = 0; next < 20_000; next++) {
    queue.push(next);
    expected.push(next);
    if (next % 3 !== 0) assertEquals(queue.shift(), expected.shift());
    if (next % 1_000 === 999) {
      const [middle = 0] = expected.splice(expected.length >> 1, 1);
      queue.remove(middle);
      queue.unshift(-next);
      expected.unshift(-next);
    }
    assertEquals(queue.length, expected.length);
  }
  assertEquals(queue.drain(), expected);
});
