import { describe, expect, it } from 'vitest';
import type { AlterPartitionOutcome, ReplicaInput } from '@streamline/core/replication/inputs';
import type { BrokerEpoch, LeaderEpoch, NodeId } from '@streamline/core/types/ids';
import { VirtualClock } from '@streamline/testing/time/virtual-clock';
import { until } from '@streamline/testing/time/until';
import type { AlterPartitionResponse } from '@streamline/wire/contracts/generated/streamline/controller/v1/controller';
import { PortError } from '@streamline/wire/contracts/port-error';
import { ControllerReports } from './controller-reports';
import type { ReplicaHost } from './replica-host';

const ANSWERED = { error: undefined, metadataIndex: 40 };
const COMMITTED = { topicId: 't', partition: 0, error: undefined, leaderId: 1, leaderEpoch: 3, partitionEpoch: 8, isr: [1, 2] };

/** The reports of one broker on one replica of it, which proposes when it is told to. */
class Proposing {
  readonly steps: ReplicaInput[] = [];
  readonly told: (readonly [object, string])[] = [];
  private readonly clock = new VirtualClock();
  private readonly reports: ControllerReports;

  constructor(answer: () => Promise<AlterPartitionResponse>, shows: (metadataIndex: number) => boolean = () => true) {
    const tell = (...line: [object, string]): unknown => this.told.push(line);
    this.reports = new ControllerReports({
      ...{ brokerId: 1 as NodeId, brokerEpoch: 5 as BrokerEpoch, clock: this.clock, timeoutMs: 100, retryMs: 10 },
      log: { info: tell, warn: tell, error: tell },
      controller: { alterPartition: answer, reportFailedReplicas: () => expect.fail('nothing failed') },
      metadata: { waitFor: (metadataIndex) => Promise.resolve(shows(metadataIndex)) },
    });
  }

  /** What the proposal comes to. */
  async propose(): Promise<AlterPartitionOutcome | undefined> {
    const { steps, clock, reports } = this;
    const before = steps.length;
    const replica = { partition: { key: { topicId: 't', partition: 0 } }, step: (input: ReplicaInput) => steps.push(input) };
    const leaderEpoch = 3 as LeaderEpoch;
    const effect = { kind: 'alter-partition', proposalId: 9, leaderEpoch, partitionEpoch: 7, newIsr: [] } as const;
    reports.propose(replica as unknown as ReplicaHost, effect);
    await until(() => {
      clock.advance(1);
      return steps.length > before;
    });
    const step = steps.at(-1);
    return step?.kind === 'alter-partition' && step.proposalId === 9 ? step.outcome : undefined;
  }
}

/** What a proposal comes to, by what the controller answers and how far this broker's metadata is. */
function outcomeOf(...how: ConstructorParameters<typeof Proposing>): Promise<AlterPartitionOutcome | undefined> {
  return new Proposing(...how).propose();
}

describe('a proposal of an ISR', () => {
  const answered = { ...ANSWERED, partitions: [COMMITTED] };

  it('is committed, or refused, as the controller says', async () => {
    expect(await outcomeOf(() => Promise.resolve(answered))).toMatchObject({ kind: 'committed', isr: [1, 2], partitionEpoch: 8 });
    const refused = { ...COMMITTED, error: { errorCode: 107, errorMessage: 'fenced' } };
    expect(await outcomeOf(() => Promise.resolve({ ...answered, partitions: [refused] }))).toEqual({
      kind: 'refused',
      errorCode: 107,
    });
  });

  it('has no known fate before the metadata here shows what the controller decided by', async () => {
    expect(
      await outcomeOf(
        () => Promise.resolve(answered),
        (index) => index < 40,
      ),
    ).toEqual({ kind: 'unknown' });
  });

  it('has no known fate where there is no answer, or one that is not about it', async () => {
    expect(await outcomeOf(() => Promise.reject(new PortError('unavailable', 'gone')))).toEqual({ kind: 'unknown' });
    const error = { errorCode: 7, errorMessage: 'too late' };
    expect(await outcomeOf(() => Promise.resolve({ error, partitions: [], metadataIndex: 0 }))).toEqual({ kind: 'unknown' });
  });

  it('is told of once, in a sentence, while no controller can be asked', async () => {
    let isThere = false;
    const gone = new PortError('unavailable', 'no leader is elected');
    const proposing = new Proposing(() => (isThere ? Promise.resolve(answered) : Promise.reject(gone)));
    const line = [{ reason: 'no leader is elected' }, 'the controller could not be asked for ISRs; it is asked again and again'];
    for (const isNow of [false, false, true, true]) {
      isThere = isNow;
      await proposing.propose();
    }
    expect(proposing.told).toEqual([line]);
    isThere = false;
    await proposing.propose();
    expect(proposing.told).toEqual([line, line]);
  });
});
