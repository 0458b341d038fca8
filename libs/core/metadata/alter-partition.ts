import { ErrorCode } from '../types/error-code';
import type { BrokerEpoch, LeaderEpoch, NodeId, PartitionIndex, TopicId } from '../types/ids';
import { registered } from './brokers';
import type { Decision, Failure } from './decision';
import { answerOnly, failure, splitRecords } from './decision';
import { electionRules, mayLead } from './elections';
import { MetadataVersion, metadataVersion } from './features';
import type { MetadataImage, PartitionImage } from './image';
import { withIsr, withoutReplica, withReplicaWhole } from './leadership';
import type { PartitionChangeRecord } from './records';

/** The incarnation is whichever there is. */
const ANY_INCARNATION = -1;

export interface ProposedReplica {
  readonly brokerId: NodeId;
  /** Of the incarnation that is meant, -1 for any (KIP-903). */
  readonly brokerEpoch: BrokerEpoch;
}

/** The in-sync replicas that the leader of a partition wants, for one partition epoch. */
export interface IsrProposal {
  readonly topicId: TopicId;
  readonly partition: PartitionIndex;
  readonly leaderEpoch: LeaderEpoch;
  readonly partitionEpoch: number;
  readonly newIsr: readonly ProposedReplica[];
}

export interface AlterPartition {
  /** Who proposes: it has to lead each of the partitions, as this incarnation. */
  readonly brokerId: NodeId;
  readonly brokerEpoch: BrokerEpoch;
  readonly proposals: readonly IsrProposal[];
}

/** The partition as the proposal left it. */
export interface CommittedIsr {
  readonly leader: NodeId;
  readonly leaderEpoch: LeaderEpoch;
  readonly partitionEpoch: number;
  readonly isr: readonly NodeId[];
}

export interface IsrVerdict {
  readonly topicId: TopicId;
  readonly partition: PartitionIndex;
  readonly outcome: CommittedIsr | Failure;
}

/**
 * Leaders' proposals for their ISRs (KIP-497, REPL-5, REPL-8), each by itself. Who joins is the registered incarnation, unfenced, not
 * shutting down, with a log that works (KIP-841, KIP-903). One that is carried out moves the partition epoch on, also where it
 * changes nothing else: a proposal for the epoch before is void then.
 *
 * Errors: STALE_BROKER_EPOCH and BROKER_ID_NOT_REGISTERED as a whole; for a partition those of Apache Kafka's ReplicationControlManager.
 */
export function alterPartition(
  image: MetadataImage,
  { brokerId, brokerEpoch, proposals }: AlterPartition,
): Decision<readonly IsrVerdict[] | Failure> {
  const broker = registered(image, brokerId, brokerEpoch);
  if ('errorCode' in broker) return answerOnly(broker);
  const seen = new Set<string>();
  const records: PartitionChangeRecord[] = [];
  const answer = proposals.map((proposal): IsrVerdict => {
    const { topicId, partition } = proposal;
    const key = `${topicId}-${partition}`;
    const known = seen.has(key)
      ? failure(ErrorCode.INVALID_REQUEST, `Partition ${partition} of topic ${topicId} is in the request more than once.`)
      : checked(image, brokerId, proposal);
    seen.add(key);
    if ('errorCode' in known) return { topicId, partition, outcome: known };
    const isr = proposal.newIsr.map((member) => member.brokerId);
    const change = withIsr(known, isr, electionRules(image, known));
    records.push(change);
    return { topicId, partition, outcome: committed(known, change, brokerId) };
  });
  return { entries: splitRecords(records), answer };
}

/** What the leader is told. */
function committed(before: PartitionImage, change: PartitionChangeRecord, leader: NodeId): CommittedIsr | Failure {
  if (change.leader !== undefined && change.leader !== leader) {
    return failure(ErrorCode.NEW_LEADER_ELECTED, `The proposal was carried out, and broker ${change.leader} leads from here on.`);
  }
  return {
    leader,
    leaderEpoch: (before.leaderEpoch + (change.bumpLeaderEpoch ? 1 : 0)) as LeaderEpoch,
    partitionEpoch: before.partitionEpoch + 1,
    isr: change.isr ?? before.isr,
  };
}

/** The partition that the proposal is about, or why it is not carried out. */
function checked(image: MetadataImage, brokerId: NodeId, proposal: IsrProposal): PartitionImage | Failure {
  const { topicId, leaderEpoch, partitionEpoch } = proposal;
  const topic = image.topics.get(topicId);
  if (topic === undefined) return failure(ErrorCode.UNKNOWN_TOPIC_ID, `There is no topic with id ${topicId}.`);
  const name = `${topic.name}-${proposal.partition}`;
  const known = topic.partitions[proposal.partition];
  if (known === undefined) return failure(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, `There is no partition ${name}.`);
  const epochs = `leader epoch ${known.leaderEpoch} and partition epoch ${known.partitionEpoch}`;
  if (leaderEpoch > known.leaderEpoch || partitionEpoch > known.partitionEpoch) {
    const message = `${name} is not known here with leader epoch ${leaderEpoch} and partition epoch ${partitionEpoch} yet, but with ${epochs}.`;
    return failure(ErrorCode.NOT_CONTROLLER, message);
  }
  if (leaderEpoch < known.leaderEpoch) {
    return failure(ErrorCode.FENCED_LEADER_EPOCH, `${name} has ${epochs} by now: leader epoch ${leaderEpoch} is over.`);
  }
  if (known.leader !== brokerId) {
    return failure(ErrorCode.INVALID_REQUEST, `Broker ${brokerId} does not lead ${name}, but ${known.leader ?? 'nobody'} does.`);
  }
  if (partitionEpoch < known.partitionEpoch) {
    const message = `${name} has ${epochs} by now: what was proposed for partition epoch ${partitionEpoch} is void.`;
    return failure(ErrorCode.INVALID_UPDATE_VERSION, message);
  }
  return membersFailure(image, name, known, proposal.newIsr) ?? known;
}

function membersFailure(
  image: MetadataImage,
  name: string,
  { replicas, leader, failedReplicas }: PartitionImage,
  newIsr: readonly ProposedReplica[],
): Failure | undefined {
  const members = newIsr.map(({ brokerId }) => brokerId);
  const text = `The ISR [${members.join(', ')}] of ${name}`;
  if (new Set(members).size !== members.length) return failure(ErrorCode.INVALID_REQUEST, `${text} names a broker twice.`);
  if (leader === undefined || !members.includes(leader)) {
    return failure(ErrorCode.INVALID_REQUEST, `${text} lacks the leader ${leader ?? ''}.`);
  }
  const stranger = members.find((id) => !replicas.includes(id));
  if (stranger !== undefined) return failure(ErrorCode.INVALID_REQUEST, `${text} names ${stranger}, which is no replica of it.`);
  const unfit = newIsr.find(({ brokerId, brokerEpoch }) => {
    const broker = image.brokers.get(brokerId);
    const isMeant = brokerEpoch === ANY_INCARNATION || broker?.epoch === brokerEpoch;
    return !isMeant || !mayLead(broker) || failedReplicas.includes(brokerId);
  });
  if (unfit === undefined) return undefined;
  const why = 'is fenced, shuts down, has a failed log, or is another incarnation';
  return failure(ErrorCode.INELIGIBLE_REPLICA, `${text}: broker ${unfit.brokerId} of epoch ${unfit.brokerEpoch} ${why}.`);
}

export interface FailedReplicas {
  readonly brokerId: NodeId;
  readonly brokerEpoch: BrokerEpoch;
  readonly topics: readonly { readonly topicId: TopicId; readonly partitions: readonly PartitionIndex[] }[];
  /** `whole`: they were full, and take records again. */
  readonly condition: 'failed' | 'full' | 'whole';
}

/**
 * A broker's replicas whose logs have failed (REPL-19, S-11): they leave ISR and ELR, others lead where they can, and until the broker
 * registers anew they are not elected. Or for which it has no space (S-10): they leave the ISR until it has. Those that it has no replica
 * of any more are passed over.
 */
export function reportFailedReplicas(
  image: MetadataImage,
  { brokerId, brokerEpoch, topics, condition }: FailedReplicas,
): Decision<Failure | undefined> {
  const broker = registered(image, brokerId, brokerEpoch);
  if ('errorCode' in broker) return answerOnly(broker);
  if (metadataVersion(image) < MetadataVersion.MOVING_REPLICAS) {
    const message = `Failed replicas can be told from level ${MetadataVersion.MOVING_REPLICAS} of metadata.version on: raise it with UpdateFeatures.`;
    return answerOnly(failure(ErrorCode.UNSUPPORTED_VERSION, message));
  }
  const records: PartitionChangeRecord[] = [];
  for (const { topicId, partitions } of topics) {
    for (const index of new Set(partitions)) {
      const partition = image.topics.get(topicId)?.partitions[index];
      if (partition?.replicas.includes(brokerId) !== true) continue;
      // One that was full may fail as well: then it is not eligible any more.
      if (condition !== 'failed' && partition.failedReplicas.includes(brokerId) !== (condition === 'whole')) continue;
      const rules = electionRules(image, partition);
      const change =
        condition === 'whole'
          ? withReplicaWhole(partition, brokerId, rules)
          : withoutReplica(partition, brokerId, condition, rules);
      if (change !== undefined) records.push(change);
    }
  }
  return { entries: splitRecords(dedupe(records)), answer: undefined };
}

/** A topic that was named twice gives its partitions once. */
function dedupe(records: readonly PartitionChangeRecord[]): readonly PartitionChangeRecord[] {
  return [...new Map(records.map((record) => [`${record.topicId}-${record.partition}`, record])).values()];
}
