import { DEFAULT_REPLICATION_LIMITS } from '@streamline/runtime/replication/replication-limits';
import type { ReplicationPorts } from '@streamline/runtime/replication/replication-host';
import { SeededRandom } from '@streamline/testing/time/seeded-random';

/** A controller that never answers, and other brokers that nobody reaches. */
export const NO_PEERS: ReplicationPorts = {
  controller: {
    alterPartition: () => new Promise(() => undefined),
    reportFailedReplicas: () => new Promise(() => undefined),
  },
  dialer: { dial: () => ({ write: () => true, close: () => undefined }) },
  random: new SeededRandom(1),
  limits: DEFAULT_REPLICATION_LIMITS,
};
