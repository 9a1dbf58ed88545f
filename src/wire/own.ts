/**
 * A copy of the own members of `options` that are defined, so that a polluted prototype decides nothing and `undefined` stands for the default.
 *
 * @throws {TypeError} When it is no object.
 */
export function own<T extends object>(options: T): T {
  if (typeof options === "object" && options !== null) {
    return Object.assign(Object.create(null), Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)));
  }
  // What it is must do: it may be a password.
  throw new TypeError(`Cannot use options as it must be an object: current value is ${options === null ? "null" : `a ${typeof options}`}`);
}
