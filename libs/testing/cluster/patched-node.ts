import type { Patch } from '@streamline/testing/raft/patched-core';
import { patchedModule } from '@streamline/testing/raft/patched-core';

/** A name, as an export clause has it, and the file that exports it, without the extension. */
type Export = readonly [name: string, file: string];

/** A line of a source, and what stands there instead. */
export type PatchedLine = readonly [file: string, find: string, instead: string];

const CORE_AND_RUNTIME = /libs\/(core|runtime)\/.*\.ts$/;

/** What `ShippedCode` consists of. */
export const CONTROLLER_EXPORTS: readonly Export[] = [
  ['setInvariantsEnabled', 'core/raft/invariant'],
  ['Raft', 'core/raft/raft'],
  ['REPLICATION_LIMITS', 'core/metadata/replication-limits'],
  ['ClusterMember', 'runtime/controller/cluster-member'],
  ['BrokerRefusedError', 'runtime/partitions/broker-session'],
  ['BrokerSession', 'runtime/partitions/broker-session'],
  ['RaftDriver', 'runtime/raft/raft-driver'],
  ['PortError', 'wire/contracts/port-error'],
];

/** Of a node's code, what is exported, bundled anew with some lines of core and runtime replaced. */
export function patchedNode<Code>(exported: readonly Export[], patches: readonly Patch[]): Promise<Code> {
  const contents = exported.map(([name, file]) => `export { ${name} } from '@streamline/${file}';`).join('\n');
  return patchedModule(contents, patches, CORE_AND_RUNTIME);
}

export function patchesOf(lines: readonly PatchedLine[]): readonly Patch[] {
  return lines.map(([file, find, instead]) => ({ file, find, instead }));
}
