/** Which cuts of a session are tried. */
import { cryptoSettled } from "../../support/crypto_settled.ts";
import type { Cut, Ending } from "../../support/cut_socket.ts";
import type { Unit } from "./script.ts";
import type { CutSession } from "./sessions.ts";

/** How the octets of each side can end, for a client. */
export const OF_SERVER: readonly Ending[] = ["close", "late close", "half close", "reset", "late reset", "stall"];
export const OF_CLIENT: readonly Ending[] = ["close", "reset", "refuse", "stall", "block"];
/** What a client can meet besides. */
export const BESIDES: readonly Ending[] = ["abort"];

/** Octets on either side of a border that are all tried where others are not. */
const NEAR = 8;
/** Of the octets elsewhere one in so many; and of those in the middle of a long content. */
const SHARE = 11;
const LONG_SHARE = 49_999;
/** Octets of what counts as long. */
const LONG = 4_096;
/** Where a long content may leave in several writes. */
const BLOCK = 65_536;

/** One cut behind each octet of either side, by each of the endings. */
export function everyCut({ script }: CutSession, ofServer: readonly Ending[], ofClient: readonly Ending[]): Cut[] {
  return [
    ...ofServer.flatMap((by) => upTo(script.serverOctets).map((at) => ({ of: "server", at, by } as const))),
    ...ofClient.flatMap((by) => upTo(script.clientOctets).map((at) => ({ of: "client", at, by } as const))),
  ];
}

/** The same in the login, which is hashed outside of the program and takes its time; elsewhere one ending of either side alone. */
export function loginCuts(session: CutSession, ofServer: readonly Ending[], ofClient: readonly Ending[]): Cut[] {
  const login = session.script.units.filter(({ verb }) => verb === "AUTH");
  const isInside = ({ of, at }: Cut) => {
    const ends = login.map(({ end, answers }) => of === "server" ? answers[0]!.end : end);
    const first = login[0]!;
    const start = of === "server" ? ends[0]! - first.answers[0]!.text.length : ends[0]! - first.octets.length;
    return at >= start && at <= Math.max(...ends);
  };
  return everyCut(session, ofServer, ofClient).filter((cut) => {
    return cut.by === (cut.of === "server" ? ofServer : ofClient)[0] || isInside(cut);
  });
}

/** The same for a session with a long content: every octet where something ends or begins, and some of the others. */
export function someCuts({ script }: CutSession, ofServer: readonly Ending[], ofClient: readonly Ending[]): Cut[] {
  const long = script.units.filter(({ octets }) => octets.length > LONG);
  const heard = upTo(script.serverOctets).filter((at) => at % SHARE === 0 || long.some((unit) => isAnsweredNear(unit, at)));
  const handed = upTo(script.clientOctets).filter((at) => {
    const unit = long.find(({ end, octets }) => at > end - octets.length && at <= end);
    return at % (unit === undefined ? SHARE : LONG_SHARE) === 0 || long.some((unit) => isNearBorder(unit, at));
  });
  return [
    ...ofServer.flatMap((by) => heard.map((at) => ({ of: "server", at, by } as const))),
    ...ofClient.flatMap((by) => handed.map((at) => ({ of: "client", at, by } as const))),
  ];
}

function isAnsweredNear({ answers }: Unit, at: number): boolean {
  return answers.some(({ text, end }) => at >= end - text.length - NEAR && at <= end + NEAR);
}

/** Near the beginning of a unit, its first line's end, the end of one of its blocks, or its own. */
function isNearBorder({ octets, end }: Unit, at: number): boolean {
  const start = end - octets.length;
  const content = octets.startsWith("BDAT") ? start + octets.indexOf("\n") + 1 : start;
  const border = Math.round((at - content) / BLOCK) * BLOCK + content;
  const isInside = at >= start && at <= end;
  return [start, content, end].some((border) => Math.abs(at - border) <= NEAR) || (isInside && Math.abs(at - border) <= 1);
}

function upTo(octets: number): number[] {
  return Array.from({ length: octets }, (_, at) => at);
}

/** Tries each of `cuts`; resolves with their number. */
export async function tryAll(
  session: CutSession,
  cuts: readonly Cut[],
  run: (session: CutSession, cut: Cut) => Promise<void>,
): Promise<number> {
  for (const cut of cuts) {
    try {
      await run(session, cut);
    } catch (cause) {
      const { of, at, by } = cut;
      throw new Error(`${session.name}, the ${of}'s octets cut behind ${at} (${by}): ${cause instanceof Error ? cause.message : cause}`, { cause });
    }
  }
  await cryptoSettled();
  return cuts.length;
}
