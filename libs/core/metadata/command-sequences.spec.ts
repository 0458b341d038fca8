import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AcknowledgedRecords } from '@streamline/testing/metadata/acknowledged-records';
import {
  contents,
  expectLedWherePossible,
  expectSound,
  id22,
  MetadataHarness,
  newTopic,
} from '@streamline/testing/metadata/metadata-harness';
import type { BrokerEpoch, DirectoryId, MetadataIndex, NodeId, PartitionIndex } from '../types/ids';
import type { IsrProposal } from './alter-partition';
import { alterPartition, reportFailedReplicas } from './alter-partition';
import { alterConfigs } from './alter-configs';
import { createPartitions, deleteTopics } from './alter-topics';
import { brokerGone, unregisterBroker } from './brokers';
import { createTopics } from './create-topics';
import type { Decision } from './decision';
import { splitRecords } from './decision';
import { balanceLeaders, electLeaders } from './elect-leaders';
import { leadersForLeaderless, mayLead } from './elections';
import { MetadataState } from './metadata-state';
import type { MetadataRecord, PartitionChangeRecord } from './records';
import { alterReassignments, movingPartitions } from './reassignments';
import { removeBroker } from './remove-broker';
import { snapshotRecords } from './snapshot';
import { effectiveTopicConfig } from './topic-configs';

const BROKERS = 5;
const RACKS = ['a', 'a', 'b', 'c', undefined] as const;

type Entries = readonly (readonly MetadataRecord[])[];

/** Changes to partitions may be split anywhere (META-2): here at every record, which in life takes 2000 of them. */
function cutFinely(entries: Entries): Entries {
  return entries.flatMap((records) =>
    records.every(({ kind }) => kind === 'partitionChange') ? records.map((record) => [record]) : [records],
  );
}

/** A harness of which the controller may be lost behind every entry: whoever takes over mends what is there, soundly. */
class CutHarness extends MetadataHarness {
  readonly acknowledged = new AcknowledgedRecords();
  /** Replicas (broker/topic-partition) of which a log failed: their brokers never say that they take records again. */
  readonly failed = new Set<string>();
  /** An operator asks for unclean elections at the moment. */
  uncleanAsked = false;

  override run<Answer>({ entries, answer }: Decision<Answer>): Answer {
    for (const records of cutFinely(entries)) {
      super.run({ entries: [records], answer: undefined });
      this.acknowledged.observe(this.state, this.uncleanAsked);
      this.#takeOver();
    }
    expectLedWherePossible(this.state);
    return answer;
  }

  /** As `start`, with what the broker loses by it. */
  restart(id: number, directory: string, { previousEpoch, sameBoot }: { previousEpoch: number; sameBoot: boolean }): void {
    const known = this.state.brokers.get(id as NodeId);
    const isOtherDisk = known?.directoryId !== (directory as DirectoryId);
    const isRefused = known?.fenced === false && isOtherDisk;
    const isPageCacheLost = previousEpoch !== known?.epoch && !sameBoot;
    const forget = (): void => {
      if (isRefused) return;
      this.acknowledged.lost(id as NodeId, this.state, (topic) => {
        return isOtherDisk || (isPageCacheLost && effectiveTopicConfig(this.state, topic).flushMessages > 1);
      });
    };
    const rack = RACKS[id - 1];
    const incarnation = `${this.state.index}`;
    const start = (): void => {
      this.start(id, { incarnation, directory, previousEpoch, sameBoot, ...(rack !== undefined && { rack }) });
    };
    this.without(forget, start);
  }

  /**
   * What `forget` says is lost before the command runs, and so no election of it may count on that. Between the entries of the command
   * the broker still leads as far as the metadata tells and so it acknowledges, which it cannot: hence it is said again.
   */
  without(forget: () => void, command: () => void): void {
    forget();
    command();
    forget();
  }

  #takeOver(): void {
    const successor = new MetadataState();
    successor.apply(this.state.index, [...snapshotRecords(this.state)]);
    for (const records of cutFinely(splitRecords(leadersForLeaderless(successor)))) {
      successor.apply((successor.index + 1) as MetadataIndex, records);
      expectSound(successor);
    }
    expectLedWherePossible(successor);
  }
}

/** The leader of each partition proposes an ISR with `node`, or without it. */
function proposeAll(harness: CutHarness, node: NodeId, isIn: boolean): void {
  const proposals = new Map<NodeId, IsrProposal[]>();
  for (const { id, partitions } of harness.state.topics.values()) {
    for (const { partition, leader, leaderEpoch, partitionEpoch, replicas, isr } of partitions) {
      if (leader === undefined || leader === node || !replicas.includes(node) || isr.includes(node) === isIn) continue;
      const members = isIn ? [...isr, node] : isr.filter((each) => each !== node);
      const newIsr = members.map((each) => ({ brokerId: each, brokerEpoch: harness.epoch(each) as BrokerEpoch }));
      const own = proposals.get(leader) ?? [];
      proposals.set(leader, [...own, { topicId: id, partition, leaderEpoch, partitionEpoch, newIsr }]);
    }
  }
  for (const [brokerId, own] of proposals) {
    const command = { brokerId, brokerEpoch: harness.epoch(brokerId) as BrokerEpoch, proposals: own };
    harness.run(alterPartition(harness.state, command));
  }
}

/** `count` brokers from the `first` on. */
function brokersFrom(first: number, count: number): readonly NodeId[] {
  return Array.from({ length: count }, (_, at) => (((first + at) % BROKERS) + 1) as NodeId);
}

interface Step {
  readonly kind: number;
  readonly which: number;
  readonly flag: boolean;
}

const STEPS: readonly ((harness: CutHarness, step: Step) => void)[] = [
  (harness, { which, flag }) => {
    const configs = [
      { name: 'min.insync.replicas', value: String((which % 3) + 1) },
      { name: 'unclean.leader.election.enable', value: String(flag && which % 2 === 0) },
      { name: 'flush.messages', value: which % 5 === 0 ? '50' : '1' },
    ];
    const topic = { name: `t${which % 6}`, partitions: (which % 4) + 1, replicationFactor: (which % 3) + 1, configs };
    harness.run(createTopics(harness.state, { topics: [newTopic(topic)], validateOnly: false }, harness.limits));
  },
  (harness, { which }) => {
    harness.run(deleteTopics(harness.state, [{ name: `t${which % 6}`, topicId: undefined }]));
  },
  (harness, { which, flag }) => {
    const topics = [{ name: `t${which % 6}`, count: 5, assignments: undefined }];
    harness.run(createPartitions(harness.state, { topics, validateOnly: flag }, harness.limits));
  },
  (harness, { which, flag }) => {
    const id = (which % BROKERS) + 1;
    const directory = id22(`dir${id}x`, which > 35 ? 1 : 0);
    harness.restart(id, directory, { previousEpoch: flag ? harness.epoch(id) : -1, sameBoot: which % 2 === 0 });
  },
  (harness, { which }) => {
    const id = (which % BROKERS) + 1;
    harness.run(brokerGone(harness.state, id as NodeId, harness.epoch(id) as BrokerEpoch));
  },
  (harness, { which, flag }) => {
    const id = ((which % BROKERS) + 1) as NodeId;
    const remove = () => {
      if (which > 30) harness.run(unregisterBroker(harness.state, id));
      else harness.run(removeBroker(harness.state, { brokerId: id, force: flag }));
    };
    // What disk comes back under the id of a broker that was forgotten nobody can tell.
    if (which > 30 || flag)
      harness.without(() => {
        harness.acknowledged.lost(id, harness.state);
      }, remove);
    else remove();
  },
  (harness, { which, flag }) => {
    harness.heartbeat((which % BROKERS) + 1, { wantFence: flag && which > 20, wantShutdown: flag && which <= 20 });
  },
  (harness, { which, flag }) => {
    proposeAll(harness, ((which % BROKERS) + 1) as NodeId, !(flag && which > 30));
  },
  (harness, { which, flag }) => {
    const unclean = { name: 'unclean.leader.election.enable', value: String(flag), operation: 'set' as const };
    const minimum = { name: 'min.insync.replicas', value: String((which % 3) + 1), operation: 'set' as const };
    const changes = [which % 2 === 0 ? unclean : minimum];
    const resource = which > 30 ? { resourceType: 4, resourceName: '' } : { resourceType: 2, resourceName: `t${which % 6}` };
    harness.run(alterConfigs(harness.state, { resources: [{ ...resource, changes, replaceAll: false }], validateOnly: false }));
  },
  (harness, { which, flag }) => {
    const replicas = flag && which > 30 ? undefined : brokersFrom(which, (which % 3) + 1);
    const partitions = [0, 1, 2].map((partition) => ({ partition, replicas }));
    const topics = [{ name: `t${which % 6}`, partitions }];
    harness.run(alterReassignments(harness.state, { topics, allowReplicationFactorChange: which % 7 > 0 }, harness.limits));
  },
  (harness, { which, flag }) => {
    harness.uncleanAsked = which % 5 === 0;
    if (flag) harness.run(balanceLeaders(harness.state));
    else harness.run(electLeaders(harness.state, { kind: which % 5 === 0 ? 'unclean' : 'preferred', topics: undefined }));
    harness.uncleanAsked = false;
  },
  (harness, { which, flag }) => {
    const brokerId = ((which % BROKERS) + 1) as NodeId;
    const topic = [...harness.state.topics.values()][which % 3];
    const failed = topic?.partitions.filter(({ replicas }) => replicas.includes(brokerId) && which > 15) ?? [];
    if (topic === undefined || !mayLead(harness.state.brokers.get(brokerId))) return;
    const forget = () => {
      for (const { partition } of failed) harness.acknowledged.lostOne(brokerId, `${topic.id}-${partition}`);
    };
    const nameOf = (partition: number) => `${brokerId}/${topic.id}-${partition}`;
    const brokerEpoch = harness.epoch(brokerId) as BrokerEpoch;
    const report = (condition: 'failed' | 'full' | 'whole', partitions: readonly PartitionIndex[]) =>
      harness.run(
        reportFailedReplicas(harness.state, { brokerId, brokerEpoch, topics: [{ topicId: topic.id, partitions }], condition }),
      );
    const told = failed.map(({ partition }) => partition);
    if (flag) {
      const usable = told.filter((partition) => !harness.failed.has(nameOf(partition)));
      return void report(which % 2 === 0 ? 'full' : 'whole', usable);
    }
    for (const partition of told) harness.failed.add(nameOf(partition));
    harness.without(forget, () => report('failed', told));
  },
];

const steps = fc.array(fc.record({ kind: fc.nat(STEPS.length + 3), which: fc.nat(40), flag: fc.boolean() }), {
  maxLength: 60,
  size: 'max',
});

function cluster(): CutHarness {
  const harness = new CutHarness({ replicationFactorMax: BROKERS });
  harness.bootstrap();
  for (let id = 1; id <= BROKERS; id++) {
    const rack = RACKS[id - 1];
    harness.start(id, { directory: id22(`dir${id}x`, 0), ...(rack !== undefined && { rack }) });
  }
  for (const which of [0, 1, 2]) STEPS[0]?.(harness, { kind: 0, which, flag: false });
  return harness;
}

/** What was being dropped is gone. */
function isEndOfMove({ replicas, removingReplicas }: PartitionChangeRecord): boolean {
  return replicas !== undefined && removingReplicas?.length === 0;
}

describe('any sequence of commands with replicas on several brokers', () => {
  it('leaves sound metadata behind every record at which it may be cut, also to a controller that takes over there', () => {
    fc.assert(
      fc.property(steps, (script) => {
        const harness = cluster();
        // What there are no steps for is one more broker that catches up: without, nearly nothing would be in an ISR.
        for (const step of script) (STEPS[step.kind] ?? STEPS[7])?.(harness, step);
        const replayed = new MetadataState();
        for (const { index, records } of harness.log) replayed.apply(index, records);
        expect(contents(replayed)).toEqual(contents(harness.state));
      }),
      { numRuns: 40 },
    );
  });

  it('meets what it is about: failovers, partitions without a leader, eligible replicas and racks', () => {
    const seen = { failover: 0, leaderless: 0, eligible: 0, wide: 0, moving: 0, moved: 0, failed: 0, elections: 0 };
    fc.assert(
      fc.property(steps, (script) => {
        const harness = cluster();
        for (const step of script) {
          (STEPS[step.kind] ?? STEPS[7])?.(harness, step);
          seen.moving += [...movingPartitions(harness.state)].length;
        }
        for (const { partitions } of harness.state.topics.values()) {
          for (const { leader, leaderEpoch, elr, isr } of partitions) {
            if (leader !== undefined && leaderEpoch > 0) seen.failover++;
            if (leader === undefined) seen.leaderless++;
            if (elr.length > 0) seen.eligible++;
            if (isr.length > 2) seen.wide++;
          }
        }
        const changes = harness.log.flatMap(({ records }) => records).filter((record) => record.kind === 'partitionChange');
        seen.moved += changes.filter(isEndOfMove).length;
        seen.failed += changes.filter(({ failedReplicas = [] }) => failedReplicas.length > 0).length;
        seen.elections += harness.acknowledged.elections;
      }),
      { numRuns: 20, seed: 1 },
    );
    for (const [what, count] of Object.entries(seen)) expect(count, what).toBeGreaterThan(5);
  });
});
