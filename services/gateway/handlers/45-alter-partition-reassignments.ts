import { alterPartitionReassignments } from '@streamline/wire/kafka/apis/45-alter-partition-reassignments';
import { controllerDeadlineMs } from '../context/controller-calls';
import { CONTROLLER_FAILURES, KafkaError } from '../context/kafka-error';
import { outcomesByTopic } from '../context/partition-outcomes';
import { handler } from './handler';

/** Moves partitions to other replicas, or calls moves off (KIP-455). */
export const alterPartitionReassignmentsHandler = handler({
  api: alterPartitionReassignments,
  failures: CONTROLLER_FAILURES,
  async handle({ topics, allowReplicationFactorChange, timeoutMs }, context) {
    const moves = topics.map(({ name, partitions }) => ({
      name,
      partitions: partitions.map(({ partitionIndex, replicas }) => ({
        partition: partitionIndex,
        replicas: [...(replicas ?? [])],
        cancel: replicas === null,
      })),
    }));
    const answer = await context.gateway.controller.alterPartitionReassignments(
      { topics: moves, allowReplicationFactorChange, timeoutMs },
      { deadlineMs: controllerDeadlineMs(timeoutMs) },
    );
    const { errorCode = 0, errorMessage = '' } = answer.error ?? {};
    if (errorCode !== 0) throw new KafkaError(errorCode as KafkaError['code'], errorMessage);
    await context.whenApplied(answer.metadataIndex);
    const responses = [...outcomesByTopic(answer.partitions)].map(([name, outcomes]) => ({
      name,
      partitions: outcomes.map(({ partition, ...outcome }) => ({ partitionIndex: partition, ...outcome })),
    }));
    return { throttleTimeMs: 0, allowReplicationFactorChange, errorCode: 0, errorMessage: null, responses };
  },
  failure({ allowReplicationFactorChange }, { code, message }) {
    return { throttleTimeMs: 0, allowReplicationFactorChange, errorCode: code, errorMessage: message, responses: [] };
  },
});
