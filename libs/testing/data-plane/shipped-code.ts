import { setInvariantsEnabled as setReplicationInvariantsEnabled } from '@streamline/core/replication/invariant';
import { createGroupCoordinators } from '@streamline/runtime/groups/group-coordinators';
import { openLogEngine } from '@streamline/runtime/log/open-log-engine';
import { createStorageRole } from '@streamline/runtime/partitions/storage-role';
import type { ShippedCode } from '@streamline/testing/cluster/shipped-code';
import { SHIPPED } from '@streamline/testing/cluster/shipped-code';

/** The code under test: both sides of a node as they are shipped, or bundled anew with a bug in them (planted-bugs.ts). */
export interface DataCode extends ShippedCode {
  readonly openLogEngine: typeof openLogEngine;
  readonly createStorageRole: typeof createStorageRole;
  readonly createGroupCoordinators: typeof createGroupCoordinators;
  readonly setReplicationInvariantsEnabled: typeof setReplicationInvariantsEnabled;
}

export const SHIPPED_NODE: DataCode = {
  ...SHIPPED,
  openLogEngine,
  createStorageRole,
  createGroupCoordinators,
  setReplicationInvariantsEnabled,
};
