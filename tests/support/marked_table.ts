/** A table in a Markdown file, between two marks, so that a command can write it and a test can read it, however it is laid out. */
export class MarkedTable {
  readonly #begin: string;
  readonly #end: string;

  /** A table between the lines `<!-- begin -->` and `<!-- end -->`. */
  constructor(begin: string, end: string) {
    this.#begin = `<!-- ${begin} -->\n`;
    this.#end = `<!-- ${end} -->\n`;
  }

  /** Its rows as `text` shows them, the head first. */
  shownIn(text: string): string[][] {
    const table = text.slice(text.indexOf(this.#begin) + this.#begin.length, text.indexOf(this.#end));
    const rows = table.split("\n").filter((line) => line.startsWith("|") && !/^\|[ |:-]+$/.test(line));
    return rows.map((line) => line.split("|").slice(1, -1).map((cell) => cell.trim()));
  }

  /** `text` with `rows` for its rows, the head first. */
  writtenTo(text: string, rows: readonly (readonly string[])[]): string {
    const [head = [], ...rest] = rows;
    const lines = [head, head.map(() => "---"), ...rest].map((cells) => `| ${cells.join(" | ")} |\n`);
    const [before = "", behind = ""] = text.split(this.#begin);
    return `${before}${this.#begin}\n${lines.join("")}\n${this.#end}${behind.split(this.#end)[1] ?? ""}`;
  }
}
