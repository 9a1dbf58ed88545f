/** The functions of `@std/assert` that the tests use, by the same names and signatures, for machines that JSR does not reach. */
import nodeAssert from "node:assert/strict";

// deno-lint-ignore no-explicit-any -- a class of errors is constructed with anything, as in @std/assert
type ErrorClass<E extends Error> = abstract new (...args: any[]) => E;

export function assert(expression: unknown, message = ""): asserts expression {
  nodeAssert.ok(expression, message);
}

export function assertEquals<T>(actual: T, expected: T, message?: string): void {
  if (message === undefined) nodeAssert.deepEqual(actual, expected);
  else nodeAssert.deepEqual(actual, expected, message);
}

export function assertInstanceOf<E extends Error>(actual: unknown, expected: ErrorClass<E>, message?: string): asserts actual is E {
  nodeAssert.ok(actual instanceof expected, message ?? `expected ${expected.name}, got ${actual}`);
}

export function assertMatch(actual: string, expected: RegExp, message?: string): void {
  nodeAssert.ok(expected.test(actual), message ?? `expected ${JSON.stringify(actual)} to match ${expected}`);
}

export function assertStringIncludes(actual: string, expected: string, message?: string): void {
  nodeAssert.ok(actual.includes(expected), message ?? `expected ${JSON.stringify(actual)} to include ${JSON.stringify(expected)}`);
}

export function assertThrows<E extends Error>(fn: () => unknown, expected: ErrorClass<E>, includes = "", message?: string): E {
  let thrown: unknown;
  try {
    fn();
  } catch (error) {
    thrown = error;
  }
  return checked(thrown, expected, includes, message);
}

export async function assertRejects<E extends Error>(
  fn: () => PromiseLike<unknown>,
  expected: ErrorClass<E>,
  includes = "",
  message?: string,
): Promise<E> {
  let thrown: unknown;
  try {
    await fn();
  } catch (error) {
    thrown = error;
  }
  return checked(thrown, expected, includes, message);
}

function checked<E extends Error>(thrown: unknown, expected: ErrorClass<E>, includes: string, message?: string): E {
  assertInstanceOf(thrown, expected, message);
  assertStringIncludes(thrown.message, includes, message);
  return thrown;
}
