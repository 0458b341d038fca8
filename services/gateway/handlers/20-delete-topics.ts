import { ErrorCode } from '@streamline/core/types/error-code';
import { ZERO_TOPIC_ID } from '@streamline/core/types/ids';
import { deleteTopics } from '@streamline/wire/kafka/apis/20-delete-topics';
import type { RequestOf } from '@streamline/wire/kafka/schema/api';
import { controllerDeadlineMs, outcomeOf } from '../context/controller-calls';
import { CONTROLLER_FAILURES, KafkaError } from '../context/kafka-error';
import type { RequestContext } from '../context/request-context';
import { handler } from './handler';

type DeleteTopicsRequest = RequestOf<typeof deleteTopics>;

const FIRST_VERSION_WITH_IDS = 6;

interface TopicReference {
  readonly name: string | undefined;
  readonly topicId: string | undefined;
}

/** Deletes topics, from v6 on by name or by id. */
export const deleteTopicsHandler = handler({
  api: deleteTopics,
  failures: CONTROLLER_FAILURES,
  async handle(request, context) {
    const topics = references(request, context);
    if (topics.some(({ name, topicId }) => name !== undefined && topicId !== undefined)) {
      throw new KafkaError(ErrorCode.INVALID_REQUEST, 'Topic name and topic ID can not both be specified.');
    }
    const answer = await context.gateway.controller.deleteTopics(
      { topics, timeoutMs: request.timeoutMs },
      { deadlineMs: controllerDeadlineMs(request.timeoutMs) },
    );
    await context.whenApplied(answer.metadataIndex);
    const responses = answer.topics.map(({ name, topicId, error }) => ({
      name: nameFor(name === '' ? undefined : name, context),
      topicId: topicId === '' ? ZERO_TOPIC_ID : topicId,
      ...outcomeOf(error),
    }));
    return { throttleTimeMs: 0, responses };
  },
  failure(request, error, context) {
    const responses = references(request, context).map(({ name, topicId }) => ({
      name: nameFor(name, context),
      topicId: topicId ?? ZERO_TOPIC_ID,
      errorCode: error.code,
      errorMessage: error.message,
    }));
    return { throttleTimeMs: 0, responses };
  },
});

function references(request: DeleteTopicsRequest, context: RequestContext): TopicReference[] {
  if (context.apiVersion < FIRST_VERSION_WITH_IDS) return request.topicNames.map((name) => ({ name, topicId: undefined }));
  return request.topics.map(({ name, topicId }) => ({
    name: name ?? undefined,
    topicId: topicId === ZERO_TOPIC_ID ? undefined : topicId,
  }));
}

function nameFor(name: string | undefined, context: RequestContext): string | null {
  return name ?? (context.apiVersion >= FIRST_VERSION_WITH_IDS ? null : '');
}
