/** Every case of the catalogue on real sockets, in the order of the catalogue. */
import type { SocketFault } from "./puppet/puppet.ts";
import { certificateFaults } from "./sockets/certificates.ts";

export const socketFaults: readonly SocketFault[] = [
  ...certificateFaults,
];
