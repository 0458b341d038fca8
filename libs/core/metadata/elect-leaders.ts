import { ErrorCode } from '../types/error-code';
import type { Decision, Failure } from './decision';
import { failure, splitRecords } from './decision';
import { electionRules } from './elections';
import type { MetadataImage, PartitionImage } from './image';
import { withLeader, withPreferredLeader } from './leadership';
import type { PartitionChangeRecord } from './records';
import type { PartitionOutcome } from './reassignments';

/** `preferred`: the first replica is to lead; `unclean`: anybody, where nobody does, though records may be lost by it (KIP-460). */
export type ElectionKind = 'preferred' | 'unclean';

export interface ElectLeaders {
  readonly kind: ElectionKind;
  /** undefined: all that there are. */
  readonly topics: readonly { readonly name: string; readonly partitions: readonly number[] }[] | undefined;
}

/** Leaderships that one run of the balance moves at most, as in Apache Kafka: the next run goes on. */
export const BALANCED_PER_RUN_MAX = 1000;

/** Elects leaders as an operator asks; each partition by itself. Of all partitions only those are told that need an election. */
export function electLeaders(image: MetadataImage, { kind, topics }: ElectLeaders): Decision<readonly PartitionOutcome[]> {
  const records: PartitionChangeRecord[] = [];
  const answer: PartitionOutcome[] = [];
  const seen = new Set<string>();
  for (const { name, partitions } of topics ?? allPartitions(image)) {
    for (const index of partitions) {
      const key = `${name}-${index}`;
      if (seen.has(key)) continue;
      seen.add(key);
      const outcome = elected(image, name, index, kind);
      const isElected = 'kind' in outcome;
      if (isElected) records.push(outcome);
      const error = isElected ? undefined : outcome;
      if (topics !== undefined || error?.errorCode !== ErrorCode.ELECTION_NOT_NEEDED) {
        answer.push({ topic: name, partition: index, error });
      }
    }
  }
  return { entries: splitRecords(records), answer };
}

function* allPartitions(image: MetadataImage): Generator<{ readonly name: string; readonly partitions: readonly number[] }> {
  for (const { name, partitions } of image.topics.values())
    yield { name, partitions: partitions.map(({ partition }) => partition) };
}

function elected(image: MetadataImage, topic: string, index: number, kind: ElectionKind): PartitionChangeRecord | Failure {
  const id = image.topicIdsByName.get(topic);
  if (id === undefined) return failure(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, `There is no topic called '${topic}'.`);
  const partition = image.topics.get(id)?.partitions[index];
  if (partition === undefined) return failure(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, `There is no partition ${topic}-${index}.`);
  const { leader, replicas } = partition;
  if (kind === 'unclean') {
    if (leader !== undefined) return failure(ErrorCode.ELECTION_NOT_NEEDED, `Broker ${leader} leads ${topic}-${index}.`);
    return (
      withLeader(partition, { ...electionRules(image, partition), uncleanElection: true }) ??
      failure(ErrorCode.ELIGIBLE_LEADERS_NOT_AVAILABLE, `No replica of ${topic}-${index} is there: [${replicas.join(', ')}].`)
    );
  }
  if (leader === replicas[0]) {
    return failure(ErrorCode.ELECTION_NOT_NEEDED, `The preferred broker ${leader} leads ${topic}-${index} already.`);
  }
  return (
    withPreferredLeader(partition, electionRules(image, partition)) ??
    failure(
      ErrorCode.PREFERRED_LEADER_NOT_AVAILABLE,
      `The preferred broker ${replicas[0]} of ${topic}-${index} cannot lead: it has to be in the ISR, unfenced and not shutting down.`,
    )
  );
}

/** Gives leaderships back to the first replicas, where these may lead: brokers that were away lead again. Tells how many. */
export function balanceLeaders(image: MetadataImage, max = BALANCED_PER_RUN_MAX): Decision<number> {
  const records: PartitionChangeRecord[] = [];
  for (const partition of everyPartition(image)) {
    if (records.length >= max) break;
    if (partition.leader === undefined || partition.leader === partition.replicas[0]) continue;
    const change = withPreferredLeader(partition, electionRules(image, partition));
    if (change !== undefined) records.push(change);
  }
  return { entries: splitRecords(records), answer: records.length };
}

function* everyPartition(image: MetadataImage): Generator<PartitionImage> {
  for (const { partitions } of image.topics.values()) yield* partitions;
}
