/** Fails, and shows both, unless `actual` and `expected` are the same as JSON. */
export function assertSame(actual: unknown, expected: unknown, what: string): void {
  const [is, ought] = [JSON.stringify(actual), JSON.stringify(expected)];
  if (is !== ought) throw new Error(`${what}: expected ${ought}, found ${is}`);
}
