/** Every case of the catalogue on real sockets, in the order of the catalogue. */
import type { SocketFault } from "./puppet/puppet.ts";
import { abortFaults } from "./sockets/aborts.ts";
import { certificateFaults } from "./sockets/certificates.ts";
import { cutFaults } from "./sockets/cuts.ts";
import { floodFaults } from "./sockets/floods.ts";
import { poolFaults } from "./sockets/pools.ts";
import { replyFaults } from "./sockets/replies.ts";
import { starttlsFaults } from "./sockets/starttls.ts";
import { tlsFaults } from "./sockets/tls.ts";
import { transactionFaults } from "./sockets/transactions.ts";

export const socketFaults: readonly SocketFault[] = [
  ...starttlsFaults,
  ...certificateFaults,
  ...tlsFaults,
  ...replyFaults,
  ...transactionFaults,
  ...cutFaults,
  ...poolFaults,
  ...floodFaults,
  ...abortFaults,
];
