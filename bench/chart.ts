/** The chart of the README: small messages on one connection, by runtime, as multiples of nodemailer's bare connection. */
import { type Figure, ratio, type Results } from "./results.ts";

const BASE = "nodemailer, connection";
/** The bars of a runtime, from top to bottom. */
const BARS: readonly { readonly contender: string; readonly label: string; readonly isOurs: boolean }[] = [
  { contender: "nodemailer, pool of 1, ready-made", label: "nodemailer, pool", isOurs: false },
  { contender: BASE, label: "nodemailer, SMTPConnection", isOurs: false },
  { contender: "send, DATA", label: "send, PIPELINING", isOurs: true },
  { contender: "send, BDAT", label: "send, CHUNKING", isOurs: true },
  { contender: "sendAll, window 8, BDAT", label: "sendAll, window 8", isOurs: true },
];

const [WIDTH, LEFT, RIGHT, TOP] = [760, 280, 60, 56];
const [BAR, GAP, BETWEEN] = [16, 4, 18];
/** Readable on a light page and on a dark one. */
const STYLE = `text{font:13px system-ui,sans-serif;fill:#57606a}.title{font-size:15px;font-weight:600}.runtime{font-weight:600}` +
  `.peer{fill:#8c959f}.ours{fill:#bf8700}@media(prefers-color-scheme:dark){text{fill:#9198a1}.ours{fill:#e3b341}}`;

/** The chart as SVG. */
export function chart({ figures }: Results): string {
  const known = figures.filter(({ workload, placement, fault }) => workload === "W1" && placement === "same" && fault === undefined);
  const runtimes = [...new Set(known.filter(({ contender }) => contender === BASE).map(({ runtime }) => runtime))];
  const values = new Map(known.map((figure) => [`${figure.runtime} ${figure.contender}`, valueOf(figure, known)]));
  const scale = (WIDTH - LEFT - RIGHT) /
    Math.max(1, ...BARS.flatMap(({ contender }) => runtimes.map((name) => values.get(`${name} ${contender}`) ?? 0)));
  const parts: string[] = [];
  let y = TOP;
  for (const runtime of runtimes) {
    parts.push(text(8, y + BAR - 3, runtime, ' class="runtime"'));
    for (const { contender, label, isOurs } of BARS) {
      const value = values.get(`${runtime} ${contender}`);
      if (value === undefined) continue;
      const width = round(value * scale);
      parts.push(
        text(LEFT - 8, y + BAR - 3, label, ' text-anchor="end"'),
        `<rect class="${isOurs ? "ours" : "peer"}" x="${LEFT}" y="${y}" width="${width}" height="${BAR}" rx="2"/>`,
        text(LEFT + width + 6, y + BAR - 3, `${value.toFixed(1)}×`),
      );
      y += BAR + GAP;
    }
    y += BETWEEN;
  }
  const title = "Messages of 1 KiB on one connection, nodemailer's SMTPConnection = 1";
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${y}" role="img" aria-label="${title}">`,
    `<style>${STYLE}</style>`,
    text(8, 24, title, ' class="title"'),
    ...parts,
    "</svg>\n",
  ].join("\n");
}

function valueOf(figure: Figure, known: readonly Figure[]): number {
  const base = known.find(({ contender, runtime }) => contender === BASE && runtime === figure.runtime);
  return base === undefined ? 0 : ratio(figure, base);
}

function text(x: number, y: number, content: string, more = ""): string {
  return `<text x="${round(x)}" y="${y}"${more}>${content}</text>`;
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
