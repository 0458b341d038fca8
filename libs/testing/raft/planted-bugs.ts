import type { PersistEffect } from '@streamline/core/raft/effects';
import type { Entry } from '@streamline/core/raft/types';
import { SOUND_HOST, coreNode } from './core-node';
import type { HostRules } from './core-node';
import type { SimulationCounters } from './counters';
import type { EventQueue } from './event-queue';
import type { KeyMachine } from './key-machine';
import { ModelledStorage } from './modelled-storage';
import { patchedCore } from './patched-core';
import type { Patch } from './patched-core';
import type { NodeKind } from './simulated-process';
import type { SeededRandom } from '@streamline/testing/time/seeded-random';

/** A bug that the core, its host or its disk could have. */
export interface PlantedBug {
  /** What the buggy code does. */
  readonly does: string;
  /** Lines of the core. */
  readonly patches?: readonly Patch[];
  readonly host?: Partial<HostRules>;
  readonly storage?: new (random: SeededRandom, counters: SimulationCounters) => ModelledStorage;
  /** The network brings messages to whoever runs under a node id. */
  readonly carriesByNodeId?: boolean;
  /** Simulations find it within so many seeds. */
  readonly seedsMax: number;
}

/** The node that has the bug; the core's own assertions are off. */
export async function nodeWith(bug: Omit<PlantedBug, 'does' | 'seedsMax'>): Promise<NodeKind> {
  const kind = coreNode(await patchedCore(bug.patches ?? []), { ...SOUND_HOST, ...bug.host });
  const Storage = bug.storage ?? ModelledStorage;
  return {
    ...kind,
    format: (random, counters) => new Storage(random, counters),
    carriesByNodeId: bug.carriesByNodeId ?? false,
  };
}

function core(
  does: string,
  seedsMax: number,
  ...patches: readonly (readonly [file: string, find: string, instead: string])[]
): PlantedBug {
  return { does, seedsMax, patches: patches.map(([file, find, instead]) => ({ file, find, instead })) };
}

/** Says that a write is done when it begins. */
class HastyStorage extends ModelledStorage {
  override persist(events: EventQueue, effect: PersistEffect, onDurable: () => void, onFailure: () => void): void {
    events.after(0, onDurable);
    super.persist(events, effect, () => undefined, onFailure);
  }
}

/** Finds one entry less after a crash than it had. */
class ForgetfulStorage extends ModelledStorage {
  override crash(): void {
    super.crash();
    this.cutLast();
  }
}

/** Takes what rotted for what was written. */
class CredulousStorage extends ModelledStorage {
  override get isDamaged(): boolean {
    return false;
  }
}

/** A received snapshot counts as soon as its bytes are there. */
class HastySnapshotStorage extends ModelledStorage {
  override crash(): void {
    for (const snapshot of this.snapshots.values()) if (snapshot.isComplete) snapshot.counts = true;
    super.crash();
  }
}

/** A snapshot's bytes are not fsynced: a crash takes the newest with it. */
class LazySnapshotStorage extends ModelledStorage {
  override crash(): void {
    super.crash();
    const newest = this.newestSnapshot;
    if (newest !== undefined) this.snapshots.delete(newest.meta.id);
  }
}

function encodeWithoutSessions(machine: KeyMachine, fillerBytes: number): Buffer {
  const state: object = JSON.parse(machine.encode(fillerBytes).toString());
  return Buffer.from(JSON.stringify({ ...state, sessions: { logTimeMs: 0, sessions: [] } }));
}

function applyTwice(machine: KeyMachine, entry: Entry): ReturnType<KeyMachine['apply']> {
  if (entry.index % 5 === 0) machine.apply(entry);
  return machine.apply(entry);
}

const HOST_BUGS: readonly PlantedBug[] = [
  { does: 'sends the messages of a write before it is durable (RAFT-9)', host: { messagesLeave: 'at once' }, seedsMax: 5 },
  { does: 'says that a write is durable when it begins (RAFT-9)', storage: HastyStorage, seedsMax: 50 },
  { does: 'loses the last entry at a restart (J-5)', storage: ForgetfulStorage, seedsMax: 10 },
  { does: 'starts from a disk with a flipped bit (J-5)', storage: CredulousStorage, seedsMax: 50 },
  {
    does: 'starts from a received snapshot before its installation is durable (RAFT-17)',
    storage: HastySnapshotStorage,
    seedsMax: 1200,
  },
  { does: 'does not fsync snapshots before it purges the log (RAFT-17)', storage: LazySnapshotStorage, seedsMax: 20 },
  {
    does: 'forgets at a restart whom it voted for (RAFT-6)',
    host: { recover: (init) => ({ ...init, hardState: { ...init.hardState, votedFor: undefined } }) },
    seedsMax: 10,
  },
  { does: 'applies some entries twice (RAFT-5)', host: { apply: applyTwice }, seedsMax: 10 },
  { does: 'leaves the table of proposals out of snapshots (RAFT-16)', host: { encode: encodeWithoutSessions }, seedsMax: 20 },
];

const ELECTION_BUGS: readonly PlantedBug[] = [
  core('forgets to persist the vote (RAFT-6)', 10, [
    'context',
    'votedFor: this.#votedFor, commitIndex',
    'votedFor: undefined, commitIndex',
  ]),
  core('votes for whoever asks, twice in a term (RAFT-6)', 100, [
    'elections',
    '(context.votedFor === undefined || context.votedFor === from) &&',
    '',
  ]),
  core(
    'votes without a look at how long the logs are (RAFT-7)',
    100,
    ['elections', '&& context.log.isUpToDate(message.lastIndex, message.lastTerm);', ';'],
    ['elections', '&& context.log.isUpToDate(lastIndex, lastTerm);', ';'],
  ),
  core(
    'counts the votes of learners (RAFT-11)',
    200,
    [
      'elections',
      'if (majorityValue(context.configuration, (id) => (votes.get(id) === true ? 1 : 0)) === 1) {',
      'if ([...votes.values()].filter((granted) => granted).length * 2 > context.configuration.voters.length) {',
    ],
    [
      'elections',
      'for (const to of new Set([...configuration.voters, ...configuration.outgoingVoters])) {',
      'for (const { id: to } of configuration.members) {',
    ],
  ),
  {
    ...core(
      'counts the vote of a new disk under an old node id (R-6)',
      200,
      [
        'elections',
        'this.#votes.set(from, granted);',
        "this.#votes.set([...context.configuration.voters].find((id) => id.split('@')[0] === from.split('@')[0]) ?? from, granted);",
      ],
      ['raft', 'if (message.to !== context.self) return;', ''],
    ),
    carriesByNodeId: true,
  },
  core('answers that a vote is granted before it is durable (RAFT-9)', 10, [
    'elections',
    'context.sendAfterLog({ ...reply, term: context.term });',
    'context.send({ ...reply, term: context.term });',
  ]),
];

/** Legal, and slower: the core finds the last common entry so exactly that some bugs would never show. */
const BACKS_OFF_FURTHER = [
  'replication',
  'peer.nextIndex = Math.max(agreed, peer.matchIndex) + 1;',
  'peer.nextIndex = Math.max(agreed - 3, peer.matchIndex) + 1;',
] as const;

const LOG_BUGS: readonly PlantedBug[] = [
  core('commits an entry of an earlier term by counting (RAFT-8)', 200, [
    'leader',
    'if (index <= context.commitIndex || log.termAt(index) !== term) return;',
    'if (index <= context.commitIndex) return;',
  ]),
  core('counts learners for commits (RAFT-11)', 50, [
    'leader',
    'const index = majorityValue(configuration, (id) => (id === self ? own',
    'const index = majorityValue({ ...configuration, voters: [...configuration.voters, ...configuration.learners] }, (id) => (id === self ? own',
  ]),
  core('counts itself before its own disk has the entry (RAFT-20)', 50, [
    'leader',
    'const own = durability.durableIndex;',
    'const own = log.lastIndex;',
  ]),
  core('acknowledges entries before they are durable (RAFT-9)', 10, [
    'context',
    '(hasContent || !this.durability.isIdle ? later : now).push(...this.#sendAfterLog);',
    'now.push(...this.#sendAfterLog);',
  ]),
  core('acknowledges its own tail, which the leader has not compared (RAFT-20)', 200, BACKS_OFF_FURTHER, [
    'follower',
    'const matchIndex = Math.max(lastIndex, context.commitIndex);',
    'const matchIndex = log.lastIndex;',
  ]),
  core('takes for committed what the leader has not compared (RAFT-4)', 200, BACKS_OFF_FURTHER, [
    'follower',
    'context.commitTo(Math.min(message.commitIndex, lastIndex));',
    'context.commitTo(Math.min(message.commitIndex, log.lastIndex));',
  ]),
  core('tells followers a commit index beyond what they have (RAFT-4)', 100, [
    'leader',
    'const commitIndex = Math.min(peer.matchIndex, this.context.commitIndex);',
    'const { commitIndex } = this.context;',
  ]),
  core(
    'names the wrong term for an entry that it purged (RAFT-3); the simulator found this one in the core',
    400,
    [
      'replication',
      'if (peer.nextIndex > this.context.log.baseIndex) this.#send(peer, NO_ENTRIES);',
      'this.#send(peer, NO_ENTRIES);',
    ],
    ['replication', 'else peer.becomeSnapshot(); }', '}'],
  ),
  core('truncates for an append that comes late (RAFT-3)', 50, ['follower', 'if (known === term) return;', '']),
  core('accepts entries after a gap or another entry (RAFT-3)', 10, [
    'follower',
    'if (previousIndex > context.commitIndex) {',
    'if (false) {',
  ]),
  core('takes a stale answer for how far a peer is (RAFT-20)', 50, [
    'progress',
    'if (index <= this.matchIndex) return false;',
    '',
  ]),
  core('hands leadership over to a voter that lags (RAFT-18)', 50, [
    'handover',
    'if (target?.matchIndex !== this.context.log.lastIndex) return;',
    'if (target === undefined) return;',
  ]),
  core('never gives up a transfer (thesis 3.10)', 100, [
    'handover',
    "if (this.context.nowMs >= this.deadlineMs) this.#end({ kind: 'timed-out' });",
    '',
  ]),
  core('waits for ever for a probe that was lost (paper 5.3)', 100, [
    'replication',
    'if (waitedMs < config.heartbeatIntervalMs / 2) return;',
    'if (waitedMs >= 0) return;',
  ]),
];

const MEMBERSHIP_BUGS: readonly PlantedBug[] = [
  core('changes many voters without a joint phase (RAFT-12)', 50, [
    'membership-plan',
    'const outgoingVoters = gone.length + come.length > 1 ? current.voters : [];',
    'const outgoingVoters: readonly VoterId[] = [];',
  ]),
  core('asks only the new majority in a joint phase (RAFT-11)', 500, [
    'configuration',
    'return outgoingVoters.length === 0 ? incoming : Math.min(incoming, majorityOf(outgoingVoters, valueOf));',
    'return incoming;',
  ]),
  core('keeps the configuration of an entry that was truncated (RAFT-12)', 200, [
    'context',
    'this.configurations.truncate(after);',
    '',
  ]),
  core('changes the membership before it committed an entry of its term (RAFT-12)', 300, [
    'leader',
    'return index > commitIndex || isJoint(configuration) || this.termStartIndex > commitIndex;',
    'return index > commitIndex || isJoint(configuration);',
  ]),
  core('begins a change while another is under way (RAFT-12)', 100, [
    'leader',
    'return index > commitIndex || isJoint(configuration) || this.termStartIndex > commitIndex;',
    'return this.termStartIndex > commitIndex;',
  ]),
  core('never ends a joint phase (paper section 6)', 50, [
    'leader',
    "if (isJoint(configuration)) this.#append('configuration', undefined, leaveJoint(configuration));",
    'if (isJoint(configuration)) return;',
  ]),
  core('puts a later membership into a snapshot (RAFT-17)', 300, [
    'compaction',
    'configuration: context.configurations.at(index)',
    'configuration: context.configurations.latest',
  ]),
];

const SNAPSHOT_AND_READ_BUGS: readonly PlantedBug[] = [
  core('installs a snapshot that is older than what it has (RAFT-17)', 400, [
    'snapshot-receiver',
    'return index <= context.commitIndex;',
    'return false;',
  ]),
  core('purges entries that no snapshot covers (RAFT-17)', 20, [
    'compaction',
    'const keptIndex = snapshot.index - config.maxLogsInSnapshot;',
    'const keptIndex = context.appliedIndex;',
  ]),
  core('reads without asking a majority (RAFT-14)', 400, ['read-rounds', 'if (round < this.round) return;', '']),
  core('reads before it committed an entry of its term (RAFT-14)', 100, [
    'read-rounds',
    '|| log.termAt(commitIndex) !== term',
    '',
  ]),
  core('reads at the index of the round before (RAFT-14)', 100, [
    'read-rounds',
    'this.#index = commitIndex;',
    'this.#index ||= commitIndex;',
  ]),
];

export const PLANTED_BUGS: readonly PlantedBug[] = [
  ...ELECTION_BUGS,
  ...LOG_BUGS,
  ...MEMBERSHIP_BUGS,
  ...SNAPSHOT_AND_READ_BUGS,
  ...HOST_BUGS,
];
