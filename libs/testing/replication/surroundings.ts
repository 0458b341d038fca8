import type { ReplicationConfig } from '@streamline/core/replication/config';
import type { ReplicaInit } from '@streamline/core/replication/inputs';
import type { PushLimits } from '@streamline/core/replication/push-scheduler';
import type { ReplicaCore } from '@streamline/core/replication/replica';
import type { Facts } from '@streamline/core/replication/types';
import type { EventQueue } from '@streamline/testing/raft/event-queue';
import type { SeededRandom } from '@streamline/testing/time/seeded-random';
import type { ControllerLink } from './controller-link';
import type { ControllerModel } from './controller-model';
import type { ReplicationCounters } from './counters';
import type { Network } from './network';
import type { Observers } from './observer';
import type { HostRules } from './replica-host';

export type ReplicaFactory = (init: ReplicaInit, config: ReplicationConfig, facts: Facts) => ReplicaCore;

/** What the brokers of one simulation share. */
export interface Surroundings {
  readonly make: ReplicaFactory;
  readonly rules: HostRules;
  readonly config: ReplicationConfig;
  readonly pushLimits: PushLimits;
  readonly metadataDelayMaxMs: number;
  readonly sessionTimeoutMs: number;
  readonly events: EventQueue;
  readonly random: SeededRandom;
  readonly counters: ReplicationCounters;
  readonly observers: Observers;
  readonly network: Network;
  readonly controller: ControllerModel;
  readonly controllerLink: ControllerLink;
  /** A heartbeat of the broker reached the controller. */
  heard(broker: number): void;
}
