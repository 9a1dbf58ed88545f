/** The catalogue of faults: what a server, the network, the caller and the clock can do. A test belongs to the entry with whose id its name begins. */

/** An entry. */
export interface Entry {
  /** As in the names of its tests. */
  readonly id: string;
  /** What is done to the client. */
  readonly threat: string;
  /** Whether it is about sockets or TLS, and so needs a test on real ones, in every runtime. */
  readonly isOfSockets: boolean;
  /** Why it has nothing to do with a client that composes no messages; absent where it has. */
  readonly exempt?: string;
}

const COMPOSES = "no header is composed here, a message is taken as it is";

/** Entries without sockets. */
const inMemory = (id: string, threat: string): Entry => ({ id, threat, isOfSockets: false });
const onSockets = (id: string, threat: string): Entry => ({ id, threat, isOfSockets: true });

export const catalogue: readonly Entry[] = [
  inMemory("F01", "a line end in an address becomes another command"),
  inMemory("F02", "a control character in a command"),
  inMemory("F03", "a character whose low byte is a line end"),
  inMemory("F04", "the end of a path within an address brings parameters"),
  inMemory("F05", "a quoted local part with a line end, or with what only looks like one"),
  inMemory("F06", "a name for EHLO that is none"),
  inMemory("F07", "a name or token that holds the separators of its mechanism"),
  inMemory("F08", "an envelope id, an original recipient or a submitter that is more than text"),
  inMemory("F09", "a number that is none"),
  inMemory("F10", "a verb, a mechanism or an argument of the caller's own that is several lines"),
  { ...inMemory("F11", "a line end in a header"), exempt: COMPOSES },
  { ...inMemory("F12", "a line end in the parameters of a header"), exempt: COMPOSES },
  inMemory("F13", "an address that two parsers read differently"),
  inMemory("F14", "an address that takes a parser for ever, or its whole stack"),
  inMemory("F15", "options that come from a polluted prototype"),
  inMemory("F16", "a path or a URL instead of content"),
  inMemory("F17", "a lone CR or LF in the content that a server takes for the end"),
  inMemory("F18", "a dot at the beginning of a line, at the beginning of a chunk, anywhere"),
  inMemory("F19", "content that ends in the middle of a line, or is empty"),
  inMemory("F20", "a source that fails half-way"),
  inMemory("F21", "lines that are too long for a server"),
  onSockets("F22", "somebody on the way speaks behind the reply to STARTTLS"),
  onSockets("F23", "a whole session is played behind a refusal of STARTTLS"),
  onSockets("F24", "STARTTLS is cut out, refused, or answered with something else"),
  onSockets("F25", "a server that takes credentials in the clear"),
  onSockets("F26", "a server that offers in the clear what it does not offer behind TLS"),
  onSockets("F27", "a certificate that proves nothing"),
  onSockets("F28", "a server that has an address for a name"),
  onSockets("F29", "two connections to one host that trust differently"),
  onSockets("F30", "a handshake that stalls, is none, or is too old"),
  onSockets("F31", "TLS that ends without saying so"),
  inMemory("F32", "a server that takes no login, or none that is known"),
  inMemory("F33", "a server that offers weak mechanisms, or has a strong one fail"),
  inMemory("F34", "a login that fails, never ends, or succeeds too early"),
  inMemory("F35", "prompts that are not understood, names and passwords beyond ASCII"),
  inMemory("F36", "secrets in traces and errors"),
  inMemory("F37", "escape sequences in the words of a server"),
  inMemory("F38", "a token that has to be fetched"),
  onSockets("F39", "a server that never speaks, or speaks too slowly"),
  onSockets("F40", "a line without an end, a reply without an end"),
  inMemory("F41", "a reply to EHLO that takes a parser for ever"),
  inMemory("F42", "a code that is none"),
  inMemory("F43", "several codes in one reply"),
  inMemory("F44", "octets in a reply that are no text, and other line ends"),
  onSockets("F45", "replies in segments of any size"),
  onSockets("F46", "replies that nobody asked for"),
  onSockets("F47", "a 421 at any time"),
  inMemory("F48", "a greeting that is no welcome"),
  inMemory("F49", "odd replies to EHLO"),
  inMemory("F50", "a server that does not know EHLO"),
  inMemory("F51", "odd codes that mean yes, and some that do not"),
  onSockets("F52", "a connection that ends or breaks at any point"),
  onSockets("F53", "a server that says no more and reads on"),
  onSockets("F54", "a server that says 354 and never reads"),
  onSockets("F55", "a refusal while the content is still written"),
  onSockets("F56", "a connection that is lost behind the dot"),
  onSockets("F57", "whatever a server does when it has the message"),
  inMemory("F58", "some recipients refused, or all"),
  inMemory("F59", "a 354 although nobody is left to send to"),
  onSockets("F60", "a server that reads only while its replies drain"),
  inMemory("F61", "a server that does not expect the next command yet"),
  inMemory("F62", "a chunk that is refused with others on their way"),
  inMemory("F63", "a server of LMTP that answers for some recipients only"),
  onSockets("F64", "a connection of a pool that ends while it is idle, or when it is used again"),
  onSockets("F65", "a send that stalls and holds the only connection"),
  inMemory("F66", "a server that refuses RSET"),
  inMemory("F67", "octets above 127 for a server that takes none"),
  inMemory("F68", "addresses beyond ASCII for a server that takes none"),
  inMemory("F69", "a message that is too large"),
  inMemory("F70", "no sender, a source route, addresses that are too long"),
  inMemory("F71", "wishes that the server does not fulfil"),
  onSockets("F72", "a caller who gives up, anywhere"),
  inMemory("F73", "two failures at once, and one that comes too late"),
  onSockets("F74", "what a client leaves behind"),
  onSockets("F75", "a message larger than the memory"),
  inMemory("F76", "a proof that is compared octet by octet, or costs for ever"),
];
