import type { PartitionOutcome } from '@streamline/wire/contracts/generated/streamline/controller/v1/controller';
import { outcomeOf } from './controller-calls';

/** A partition's outcome as Kafka's answers have it, but for the name of its index. */
export interface KafkaOutcome {
  readonly partition: number;
  readonly errorCode: number;
  readonly errorMessage: string | null;
}

/** The controller's outcomes, one after the other, by the topics that they are about, in their order. */
export function outcomesByTopic(outcomes: readonly PartitionOutcome[]): ReadonlyMap<string, readonly KafkaOutcome[]> {
  const topics = new Map<string, KafkaOutcome[]>();
  for (const { topic, partition, error } of outcomes) {
    const outcome = { partition, ...outcomeOf(error) };
    const known = topics.get(topic);
    if (known === undefined) topics.set(topic, [outcome]);
    else known.push(outcome);
  }
  return topics;
}
