/** Places that a list may have in vain. */
const FEW = 1_024;

/** First in, first out, and out of the middle, each in constant time: a list of a hundred thousand recipients is a queue too. */
export class Queue<T> {
  /** Longer than the queue is: a list that is used again and again is not to be made anew. */
  #items: (T | undefined)[] = [];
  /** Where the first item stands, and where the next one will. */
  #head = 0;
  #tail = 0;
  readonly #removed = new Set<T>();

  /** How many items there are. */
  get length(): number {
    return this.#tail - this.#head - this.#removed.size;
  }

  push(item: T): void {
    this.#items[this.#tail++] = item;
  }

  /** Puts `item` before all others. */
  unshift(item: T): void {
    if (this.#head > 0) this.#items[--this.#head] = item;
    else {
      this.#items.unshift(item);
      this.#tail++;
    }
  }

  /** The first item, which stays where it is. */
  peek(): T | undefined {
    for (; this.#head < this.#tail; this.#drop()) {
      const item = this.#items[this.#head];
      if (item !== undefined && !this.#removed.delete(item)) return item;
    }
    return undefined;
  }

  /** Takes out the first item. */
  shift(): T | undefined {
    const item = this.peek();
    if (item !== undefined) this.#drop();
    return item;
  }

  /** Takes out `item`, which has to be in the queue. */
  remove(item: T): void {
    this.#removed.add(item);
  }

  /** Takes out all items. */
  drain(): T[] {
    const items: T[] = [];
    for (let item = this.shift(); item !== undefined; item = this.shift()) items.push(item);
    return items;
  }

  /** All items, which stay where they are. */
  *[Symbol.iterator](): Generator<T> {
    for (const item of this.#items.slice(this.#head, this.#tail)) if (item !== undefined && !this.#removed.has(item)) yield item;
  }

  #drop(): void {
    this.#items[this.#head++] = undefined;
    // One that is never empty must not grow for ever, and one that was long need not stay so.
    if (this.#head >= FEW && this.#head * 2 >= this.#tail) {
      this.#items = this.#items.slice(this.#head, this.#tail);
      this.#tail -= this.#head;
      this.#head = 0;
    } else if (this.#head === this.#tail) this.#head = this.#tail = 0;
  }
}
