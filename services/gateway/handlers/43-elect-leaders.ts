import { ElectionType } from '@streamline/wire/contracts/generated/streamline/controller/v1/controller';
import { electLeaders } from '@streamline/wire/kafka/apis/43-elect-leaders';
import { controllerDeadlineMs } from '../context/controller-calls';
import { CONTROLLER_FAILURES, KafkaError } from '../context/kafka-error';
import type { KafkaOutcome } from '../context/partition-outcomes';
import { outcomesByTopic } from '../context/partition-outcomes';
import { handler } from './handler';

const FIRST_VERSION_WITH_ERROR = 1;

/** Kafka's numbers; anything else the controller refuses. */
const TYPES: ReadonlyMap<number, ElectionType> = new Map([
  [0, ElectionType.PREFERRED],
  [1, ElectionType.UNCLEAN],
]);

/** Has leaders elected: preferred ones, or from outside of the ISR where nobody leads (KIP-460). */
export const electLeadersHandler = handler({
  api: electLeaders,
  failures: CONTROLLER_FAILURES,
  async handle({ electionType, topicPartitions, timeoutMs }, context) {
    const request = {
      electionType: TYPES.get(electionType) ?? ElectionType.UNSPECIFIED,
      topics: (topicPartitions ?? []).map(({ topic, partitions }) => ({ name: topic, partitions: [...partitions] })),
      allPartitions: topicPartitions === null,
      timeoutMs,
    };
    const answer = await context.gateway.controller.electLeaders(request, { deadlineMs: controllerDeadlineMs(timeoutMs) });
    const { errorCode = 0, errorMessage = '' } = answer.error ?? {};
    if (errorCode !== 0) throw new KafkaError(errorCode as KafkaError['code'], errorMessage);
    await context.whenApplied(answer.metadataIndex);
    const topics = outcomesByTopic(answer.partitions);
    return { throttleTimeMs: 0, replicaElectionResults: [...topics].map(([topic, outcomes]) => resultsOf(topic, outcomes)) };
  },
  failure({ topicPartitions }, { code, message }, { apiVersion }) {
    const replicaElectionResults = (topicPartitions ?? []).map(({ topic, partitions }) => {
      return resultsOf(
        topic,
        partitions.map((partition) => ({ partition, errorCode: code, errorMessage: message })),
      );
    });
    // v0 has no error of the whole.
    return { throttleTimeMs: 0, ...(apiVersion >= FIRST_VERSION_WITH_ERROR && { errorCode: code }), replicaElectionResults };
  },
});

function resultsOf(topic: string, outcomes: readonly KafkaOutcome[]) {
  return { topic, partitionResult: outcomes.map(({ partition, ...outcome }) => ({ partitionId: partition, ...outcome })) };
}
