import { createPartitions } from '@streamline/wire/kafka/apis/37-create-partitions';
import { controllerDeadlineMs, outcomeOf } from '../context/controller-calls';
import { CONTROLLER_FAILURES } from '../context/kafka-error';
import { handler } from './handler';

/** Adds partitions to topics. */
export const createPartitionsHandler = handler({
  api: createPartitions,
  failures: CONTROLLER_FAILURES,
  async handle(request, context) {
    const { validateOnly, timeoutMs } = request;
    const topics = request.topics.map(({ name, count, assignments }) => ({
      name,
      partitions: count,
      assignments: (assignments ?? []).map(({ brokerIds }, partition) => ({ partition, replicas: [...brokerIds] })),
      hasAssignments: assignments !== null,
    }));
    const answer = await context.gateway.controller.createPartitions(
      { topics, validateOnly, timeoutMs },
      { deadlineMs: controllerDeadlineMs(timeoutMs) },
    );
    if (!validateOnly) await context.whenApplied(answer.metadataIndex);
    return { throttleTimeMs: 0, results: answer.topics.map(({ name, error }) => ({ name, ...outcomeOf(error) })) };
  },
  failure(request, error) {
    const results = request.topics.map(({ name }) => ({ name, errorCode: error.code, errorMessage: error.message }));
    return { throttleTimeMs: 0, results };
  },
});
