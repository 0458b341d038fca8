import type { Patch } from '@streamline/testing/raft/patched-core';
import type { PatchedLine } from './patched-node';
import { CONTROLLER_EXPORTS, patchedNode, patchesOf } from './patched-node';
import type { ClusterCode } from './run-seed';
import type { ShippedCode } from './shipped-code';

/** A bug that the controller could have. */
export interface PlantedClusterBug {
  /** What the buggy code does. */
  readonly does: string;
  /** Lines of the sources of core and runtime. */
  readonly patches: readonly Patch[];
  /** False: the transport does not tell directories of one node id apart. */
  readonly looksAtIdentities?: boolean;
  /** Simulations find it within so many seeds, from this one on. */
  readonly from: number;
  readonly seedsMax: number;
}

/** The code that has the bug, bundled anew; its own assertions are off. */
export async function clusterCodeWith({
  patches,
  looksAtIdentities = true,
}: Omit<PlantedClusterBug, 'does' | 'from' | 'seedsMax'>): Promise<ClusterCode> {
  const code: ShippedCode = await patchedNode(CONTROLLER_EXPORTS, patches);
  code.setInvariantsEnabled(false);
  return { code, looksAtIdentities };
}

function bug(
  does: string,
  [from, seedsMax]: readonly [from: number, seedsMax: number],
  ...lines: readonly PatchedLine[]
): PlantedClusterBug {
  return { does, from, seedsMax, patches: patchesOf(lines) };
}

const FORMATION_BUGS: readonly PlantedClusterBug[] = [
  bug(
    'begins a cluster without having heard of all seeds (FORM-3)',
    [12, 15],
    [
      'core/formation/formation',
      'const areAllOutside = others.every((seed) => described(answers.get(seed)).some((node) => !node.isMember));',
      'const areAllOutside = true;',
    ],
  ),
  bug(
    'begins a cluster beside others that take themselves for the first (FORM-3)',
    [0, 15],
    [
      'core/formation/formation',
      'const rivals = found.filter((node) => node.mayBootstrap && node.nodeId < init.nodeId);',
      'const rivals: readonly NodeDescription[] = [];',
    ],
  ),
  bug(
    'joins a cluster as if it had begun one',
    [0, 5],
    ['controller/open-metadata-log', '{ ...joined, bootstrap: EMPTY_CONFIGURATION }', '{ ...joined, bootstrap: alone }'],
  ),
];

const MEMBERSHIP_BUGS: readonly PlantedClusterBug[] = [
  bug(
    'lets a node in as a voter at once',
    [0, 5],
    [
      'raft/membership-plan',
      'const { members, voters, learners } = target;',
      'const { members, voters, learners } = target; for (const id of learners) { learners.delete(id); voters.add(id); }',
    ],
  ),
  bug(
    'keeps the member of a lost disk beside the new one',
    [0, 10],
    [
      'controller/membership-operations',
      "...(replaced === undefined ? [] : [{ kind: 'remove', id: idOf(replaced) } as const]), {",
      '...[], {',
    ],
    ['raft/membership-plan', 'if (twice !== undefined)', 'if (twice === -1)'],
  ),
  bug(
    'tells a node of its removal before that is committed (found by this simulator)',
    [140, 15],
    [
      'controller/membership-service',
      'if (!(await consensus.confirmLeadership(CONFIRM_MS)) || consensus.isChanging) return undefined;',
      'if (!(await consensus.confirmLeadership(CONFIRM_MS))) return undefined;',
    ],
  ),
  bug(
    'does not tell of its own new address where it leads (found by this simulator)',
    [10, 15],
    ['controller/membership-keeper', 'if (hasMoved) return this.#move(self);', ''],
  ),
];

const METADATA_BUGS: readonly PlantedClusterBug[] = [
  bug(
    'gives a broker that registers again the epoch that it had (META-10)',
    [0, 5],
    [
      'metadata/brokers',
      'const brokerEpoch = (nextIndex + departures.length) as number as BrokerEpoch;',
      'const brokerEpoch = known?.epoch ?? ((nextIndex + departures.length) as number as BrokerEpoch);',
    ],
  ),
  bug(
    'lets another directory take the registration of a broker that is alive (META-14)',
    [13, 15],
    [
      'metadata/brokers',
      'if (known !== undefined && !known.fenced && known.directoryId !== command.directoryId) {',
      'if (known === undefined && command.brokerId < 0) {',
    ],
  ),
  bug(
    'fences a broker before its leaderships have moved (META-11)',
    [0, 5],
    [
      'metadata/brokers',
      'return [...splitRecords(records), [stateRecord(broker, state, true)]];',
      'return [[stateRecord(broker, state, true)], ...splitRecords(records)];',
    ],
  ),
  bug(
    'registers a broker anew before its leaderships have moved (META-12)',
    [0, 5],
    [
      'metadata/brokers',
      'const departures = splitRecords(records);',
      'const departures = splitRecords(records.slice(records.length));',
    ],
  ),
  bug('forgets a broker that leads (META-17)', [0, 15], ['metadata/brokers', '[...splitRecords(records), [gone]]', '[[gone]]']),
  bug(
    'gives two brokers the same producer ids (META-34)',
    [0, 5],
    [
      'metadata/cluster',
      "entries: [[{ kind: 'producerIds', brokerId, brokerEpoch, nextProducerId }]],",
      'entries: nextProducerId < 0 ? [] : [],',
    ],
  ),
];

const HOST_BUGS: readonly PlantedClusterBug[] = [
  bug(
    'carries out a command a second time',
    [0, 5],
    [
      'controller/raft-metadata-log',
      'const reply = await driver.propose(proposals, { deadlineMs: PROPOSE_DEADLINE_MS, forward: false });',
      'void driver.propose(proposals, { deadlineMs: PROPOSE_DEADLINE_MS, forward: false }); const reply = await driver.propose(proposals, { deadlineMs: PROPOSE_DEADLINE_MS, forward: false });',
    ],
  ),
  bug(
    'answers a command before it is committed (META-3)',
    [0, 5],
    [
      'controller/command-loop',
      'const index = payloads.length === 0 ? await this.#confirmed() : await this.options.log.propose(payloads);',
      'const { committed, log } = this.options; const index = (committed.applied.index + payloads.length) as MetadataIndex; if (payloads.length > 0) { const proposed = log.propose(payloads); for (const command of taken) command.settle(index); await proposed; }',
    ],
  ),
  bug(
    'tells who is silent by the wall clock (META-16)',
    [0, 10],
    ['metadata/broker-sessions', 'const stoodStill = nowMs - this.#lastTickMs > timeoutMs / 2;', 'const stoodStill = false;'],
    [
      'controller/controller-role',
      'expired(committed.image, clock.monotonicMs(), timeoutMs)',
      'expired(committed.image, clock.wallMs(), timeoutMs)',
    ],
    [
      'controller/controller-role',
      'heard(registration.brokerId, brokerEpoch, this.deps.clock.monotonicMs(),',
      'heard(registration.brokerId, brokerEpoch, this.deps.clock.wallMs(),',
    ],
    [
      'controller/controller-role',
      'heard(command.brokerId, command.brokerEpoch, this.deps.clock.monotonicMs(),',
      'heard(command.brokerId, command.brokerEpoch, this.deps.clock.wallMs(),',
    ],
  ),
  bug(
    'never notices that a broker has fallen silent (META-16)',
    [15, 10],
    ['controller/controller-role', "this.#declareGone(silent, 'silent');", 'void silent;'],
  ),
  bug(
    'takes a snapshot without the members (RAFT-17)',
    [0, 10],
    ['raft/compaction', 'configuration: context.configurations.at(index) };', 'configuration: context.configurations.at(0) };'],
  ),
  bug(
    'takes a snapshot of the metadata without its brokers',
    [0, 10],
    [
      'controller/metadata-machine',
      'for (const record of snapshotRecords(image)) {',
      "for (const record of snapshotRecords(image)) { if (record.kind === 'brokerState') continue;",
    ],
  ),
  bug(
    'does not write down an image that came as a snapshot',
    [17, 10],
    ['controller/committed-metadata', 'this.#writer.replace(state, place);', ''],
  ),
];

export const PLANTED_CLUSTER_BUGS: readonly PlantedClusterBug[] = [
  ...FORMATION_BUGS,
  ...MEMBERSHIP_BUGS,
  ...METADATA_BUGS,
  ...HOST_BUGS,
];
