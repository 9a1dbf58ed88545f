/** What has no members but its own, not even inherited ones; unlike what `Object.create(null)` gives, engines keep it as they keep any other object. */
class Bare {
  static {
    Reflect.deleteProperty(this.prototype, "constructor");
    Object.freeze(Object.setPrototypeOf(this.prototype, null));
  }
}

/**
 * A copy of the own members of `options` that are defined, so that a polluted prototype decides nothing and `undefined` stands for the default.
 *
 * @param what What they are called in an error.
 * @param must What they must be, in its words.
 * @throws {TypeError} When it is no object.
 */
export function own<T extends object>(options: T, what: string = "options", must: string = "an object"): T {
  if (typeof options === "object" && options !== null) {
    const copy = new Bare() as T;
    // By a loop, since entries made and filtered cost five times as much, and every message comes by here.
    for (const key of Object.keys(options) as (keyof T)[]) {
      const value = options[key];
      if (value !== undefined) copy[key] = value;
    }
    return copy;
  }
  // What it is must do: it may be a password.
  const shown = options === null || options === undefined ? String(options) : `a ${typeof options}`;
  throw new TypeError(`Cannot use ${what} as it must be ${must}: current value is ${shown}`);
}
