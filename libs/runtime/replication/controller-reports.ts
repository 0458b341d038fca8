import type { AlterPartitionEffect } from '@streamline/core/replication/effects';
import type { AlterPartitionOutcome } from '@streamline/core/replication/inputs';
import { ErrorCode, errorName } from '@streamline/core/types/error-code';
import type { BrokerEpoch, LeaderEpoch, MetadataIndex, NodeId } from '@streamline/core/types/ids';
import type { IsrProposal, IsrVerdict } from '@streamline/wire/contracts/generated/streamline/controller/v1/controller';
import { ReplicaCondition } from '@streamline/wire/contracts/generated/streamline/controller/v1/controller';
import { failureFields } from '@streamline/wire/contracts/port-error';
import type { ControllerPort } from '@streamline/wire/contracts/ports';
import type { MetadataReplica } from '../metadata/metadata-replica';
import type { LogSink } from '../partitions/log-sink';
import type { Clock } from '../ports/clock';
import type { ReplicaHost } from './replica-host';

/** Proposals in one call. */
const PROPOSALS_PER_CALL_MAX = 1_000;

export interface ControllerReportsOptions {
  readonly brokerId: NodeId;
  readonly brokerEpoch: BrokerEpoch;
  readonly controller: Pick<ControllerPort, 'alterPartition' | 'reportFailedReplicas'>;
  /** That the replicas follow. */
  readonly metadata: Pick<MetadataReplica, 'waitFor'>;
  readonly clock: Clock;
  readonly log: LogSink;
  readonly timeoutMs: number;
  readonly retryMs: number;
}

/** What is said of a replica: its log failed, or its broker has no space for it, or neither is so any more. */
export type ReplicaReport = 'failed' | 'full' | 'whole';

const CONDITIONS: Readonly<Record<ReplicaReport, ReplicaCondition>> = {
  failed: ReplicaCondition.FAILED,
  full: ReplicaCondition.FULL,
  whole: ReplicaCondition.WHOLE,
};

const UNKNOWN: AlterPartitionOutcome = { kind: 'unknown' };

/**
 * What one incarnation of this broker tells the controller of its replicas: proposed ISRs, and which of them take no records. Whatever
 * comes up during a call goes into the next one.
 */
export class ControllerReports {
  private readonly proposals = new Map<ReplicaHost, AlterPartitionEffect>();
  private readonly reports = new Map<ReplicaHost, ReplicaReport>();
  private isProposing = false;
  private isReporting = false;
  /** The last proposals reached no controller: that was said. */
  private isUnheard = false;
  private isStopped = false;

  constructor(private readonly options: ControllerReportsOptions) {}

  /** The newest proposal of a replica is the one that counts. */
  propose(replica: ReplicaHost, effect: AlterPartitionEffect): void {
    this.proposals.set(replica, effect);
    if (this.isProposing) return;
    this.isProposing = true;
    this.options.clock.nextTurn(() => void this.sendProposals());
  }

  /** The newest is the one that counts. */
  report(replica: ReplicaHost, report: ReplicaReport): void {
    this.reports.set(replica, report);
    if (this.isReporting) return;
    this.isReporting = true;
    this.options.clock.nextTurn(() => void this.sendReports());
  }

  forget(replica: ReplicaHost): void {
    this.proposals.delete(replica);
    this.reports.delete(replica);
  }

  stop(): void {
    this.isStopped = true;
  }

  private async sendProposals(): Promise<void> {
    while (this.proposals.size > 0 && !this.isStopped) {
      const sent = [...this.proposals].slice(0, PROPOSALS_PER_CALL_MAX);
      for (const [replica] of sent) this.proposals.delete(replica);
      const verdicts = await this.callAlterPartition(sent);
      sent.forEach(([replica, { proposalId }], at) => this.answered(replica, proposalId, outcomeOf(verdicts?.[at])));
    }
    this.isProposing = false;
  }

  /** Asked again meanwhile, what it asked is answered. */
  private answered(replica: ReplicaHost, proposalId: number, outcome: AlterPartitionOutcome): void {
    if (outcome.kind !== 'unknown' && this.proposals.get(replica)?.proposalId === proposalId) this.proposals.delete(replica);
    replica.step({ kind: 'alter-partition', proposalId, outcome });
  }

  /**
   * The verdicts in the order of the proposals; undefined: what became of them is not known. They count once the metadata here shows them:
   * before, a leader could commit by a min.insync.replicas that was over when the controller decided.
   */
  private async callAlterPartition(
    sent: readonly (readonly [ReplicaHost, AlterPartitionEffect])[],
  ): Promise<readonly IsrVerdict[] | undefined> {
    const { brokerId, brokerEpoch, controller, metadata, timeoutMs, log } = this.options;
    const partitions = sent.map(([replica, effect]) => toProposal(replica, effect));
    try {
      const answer = await controller.alterPartition({ brokerId, brokerEpoch, partitions }, { deadlineMs: timeoutMs });
      const { error, partitions: verdicts, metadataIndex } = answer;
      this.isUnheard = false;
      const code = error?.errorCode ?? ErrorCode.NONE;
      if (code === ErrorCode.NONE && verdicts.length === sent.length) {
        return (await metadata.waitFor(metadataIndex as MetadataIndex, timeoutMs)) ? verdicts : undefined;
      }
      log.info({ code: errorName(code), reason: error?.errorMessage }, 'the controller did not look at proposed ISRs');
    } catch (error) {
      if (!this.isUnheard)
        log.info(failureFields(error), 'the controller could not be asked for ISRs; it is asked again and again');
      this.isUnheard = true;
    }
    return undefined;
  }

  /** One kind of news after the other. */
  private async sendReports(): Promise<void> {
    const { clock, retryMs } = this.options;
    const [report] = this.reports.values();
    const sent = [...this.reports.keys()].filter((replica) => this.reports.get(replica) === report);
    const isTold = report === undefined || (await this.callReport(sent, report));
    if (isTold) for (const replica of sent) if (this.reports.get(replica) === report) this.reports.delete(replica);
    if (this.isStopped || this.reports.size === 0) this.isReporting = false;
    else clock.schedule(isTold ? 0 : retryMs, () => void this.sendReports());
  }

  private async callReport(sent: readonly ReplicaHost[], report: ReplicaReport): Promise<boolean> {
    const { brokerId, brokerEpoch, controller, timeoutMs, log } = this.options;
    const topics = sent.map(({ partition: { key } }) => ({ topicId: key.topicId, partitions: [key.partition] }));
    const request = { brokerId, brokerEpoch, topics, condition: CONDITIONS[report] };
    try {
      const { error } = await controller.reportFailedReplicas(request, { deadlineMs: timeoutMs });
      return (error?.errorCode ?? ErrorCode.NONE) === ErrorCode.NONE;
    } catch (error) {
      log.info({ ...failureFields(error), report }, 'the controller could not be told of the state of replicas');
      return false;
    }
  }
}

function toProposal({ partition: { key } }: ReplicaHost, effect: AlterPartitionEffect): IsrProposal {
  const { leaderEpoch, partitionEpoch, newIsr } = effect;
  const members = newIsr.map(({ nodeId, brokerEpoch }) => ({ brokerId: nodeId, brokerEpoch }));
  return { topicId: key.topicId, partition: key.partition, leaderEpoch, partitionEpoch, newIsr: members };
}

function outcomeOf(verdict: IsrVerdict | undefined): AlterPartitionOutcome {
  if (verdict === undefined) return UNKNOWN;
  const errorCode = (verdict.error?.errorCode ?? ErrorCode.NONE) as ErrorCode;
  if (errorCode !== ErrorCode.NONE) return { kind: 'refused', errorCode };
  const { isr, leaderEpoch, partitionEpoch } = verdict;
  return { kind: 'committed', isr: isr as NodeId[], leaderEpoch: leaderEpoch as LeaderEpoch, partitionEpoch };
}
