import { setInvariantsEnabled } from '@streamline/core/raft/invariant';
import { Raft } from '@streamline/core/raft/raft';
import type { ReplicationLimits } from '@streamline/core/metadata/replication-limits';
import { REPLICATION_LIMITS } from '@streamline/core/metadata/replication-limits';
import { ClusterMember } from '@streamline/runtime/controller/cluster-member';
import { BrokerRefusedError, BrokerSession } from '@streamline/runtime/partitions/broker-session';
import { RaftDriver } from '@streamline/runtime/raft/raft-driver';
import { PortError } from '@streamline/wire/contracts/port-error';

/** The code under test: as it is shipped, or bundled anew with a bug in it (planted-bugs.ts). */
export interface ShippedCode {
  readonly ClusterMember: typeof ClusterMember;
  readonly BrokerSession: typeof BrokerSession;
  readonly BrokerRefusedError: typeof BrokerRefusedError;
  readonly RaftDriver: typeof RaftDriver;
  readonly Raft: typeof Raft;
  readonly PortError: typeof PortError;
  readonly REPLICATION_LIMITS: ReplicationLimits;
  readonly setInvariantsEnabled: typeof setInvariantsEnabled;
}

export const SHIPPED: ShippedCode = {
  ClusterMember,
  BrokerSession,
  BrokerRefusedError,
  RaftDriver,
  Raft,
  PortError,
  REPLICATION_LIMITS,
  setInvariantsEnabled,
};
