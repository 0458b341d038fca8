import { ErrorCode } from '@streamline/core/types/error-code';
import type { StoragePort } from '@streamline/wire/contracts/ports';
import { kafkaErrorOf, STORAGE_FAILURES } from './kafka-error';
import type { RequestContext } from './request-context';
import { storageFor } from './storage-choice';
import { topicByName } from './topics';

/** Something that a client asks about one partition, by the topic's name. */
export interface PartitionQuestion<Detail> {
  readonly topic: string;
  readonly partition: number;
  readonly currentLeaderEpoch: number;
  readonly detail: Detail;
  /** Set where the question is wrong in itself: it is answered with this code and nobody is asked. */
  readonly failed?: number | undefined;
}

export interface RoutedQuestion<Detail> {
  readonly question: PartitionQuestion<Detail>;
  readonly topicId: string;
}

export interface Questioner<Detail, Reply> {
  /** Answers one storage's questions in their order. */
  ask(storage: StoragePort, questions: readonly RoutedQuestion<Detail>[]): Promise<readonly Reply[]>;
  /** The answer to a question that nobody could be asked. */
  fail(errorCode: number, message: string): Reply;
}

interface StorageQuestions<Detail> {
  readonly storage: StoragePort;
  readonly questions: RoutedQuestion<Detail>[];
  readonly places: number[];
}

/** Asks whoever answers for each partition here, each storage once, and gives the answers in the questions' order. */
export async function askPartitions<Detail, Reply>(
  questions: readonly PartitionQuestion<Detail>[],
  context: RequestContext,
  questioner: Questioner<Detail, Reply>,
): Promise<Reply[]> {
  const { image } = context;
  const replies: (Reply | undefined)[] = [];
  const byStorage: StorageQuestions<Detail>[] = [];
  for (const question of questions) {
    const topic = topicByName(image, question.topic);
    const partition = topic?.partitions[question.partition];
    if (question.failed !== undefined) {
      replies.push(questioner.fail(question.failed, ''));
      continue;
    }
    if (topic === undefined || partition === undefined) {
      replies.push(questioner.fail(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, 'there is no such topic or partition'));
      continue;
    }
    const storage = storageFor(partition, context);
    if (storage === undefined) {
      replies.push(questioner.fail(ErrorCode.NOT_LEADER_OR_FOLLOWER, 'this broker has no replica of the partition'));
      continue;
    }
    let group = byStorage.find((each) => each.storage === storage);
    if (group === undefined) byStorage.push((group = { storage, questions: [], places: [] }));
    group.questions.push({ question, topicId: topic.id });
    group.places.push(replies.length);
    replies.push(undefined);
  }
  await Promise.all(byStorage.map((group) => askOne(group, context, questioner, replies)));
  return replies.map((reply) => reply ?? questioner.fail(ErrorCode.KAFKA_STORAGE_ERROR, 'the storage left the partition out'));
}

async function askOne<Detail, Reply>(
  group: StorageQuestions<Detail>,
  context: RequestContext,
  questioner: Questioner<Detail, Reply>,
  replies: (Reply | undefined)[],
): Promise<void> {
  try {
    const answers = await questioner.ask(group.storage, group.questions);
    for (const [i, place] of group.places.entries()) replies[place] = answers[i];
  } catch (thrown) {
    const error = kafkaErrorOf(thrown, STORAGE_FAILURES);
    context.gateway.log.write('error', 'storage-failed', { error: String(error.cause ?? error) }, 'a storage failed to answer');
    for (const place of group.places) replies[place] = questioner.fail(error.code, error.message);
  }
}
