import type { GroupPort } from '@streamline/wire/contracts/ports';
import { ErrorCode } from '@streamline/core/types/error-code';
import { coordinatorOf } from './group-coordinator';
import { COORDINATOR_FAILURES, KafkaError, kafkaErrorOf } from './kafka-error';
import type { RequestContext } from './request-context';

export interface GroupQuestioner<Reply> {
  /** Answers for one coordinator's groups in their order. */
  ask(port: GroupPort, groupIds: string[]): Promise<readonly Reply[]>;
  /** The answer for a group whose coordinator could not be asked. */
  fail(groupId: string, errorCode: number, message: string): Reply;
}

interface CoordinatorGroups {
  readonly port: GroupPort;
  readonly groupIds: string[];
  readonly places: number[];
}

/** Asks the coordinators of several groups, each once, and gives the answers in the groups' order. */
export async function askCoordinators<Reply>(
  groupIds: readonly string[],
  context: RequestContext,
  questioner: GroupQuestioner<Reply>,
): Promise<Reply[]> {
  const replies: (Reply | undefined)[] = [];
  const byPort: CoordinatorGroups[] = [];
  for (const groupId of groupIds) {
    const port = coordinatorOrError(groupId, context);
    if (port instanceof KafkaError) {
      replies.push(questioner.fail(groupId, port.code, port.message));
      continue;
    }
    let group = byPort.find((each) => each.port === port);
    if (group === undefined) byPort.push((group = { port, groupIds: [], places: [] }));
    group.groupIds.push(groupId);
    group.places.push(replies.length);
    replies.push(undefined);
  }
  await Promise.all(byPort.map((group) => askOne(group, context, questioner, replies)));
  const leftOut = 'the coordinator left the group out';
  return replies.map((reply, i) => reply ?? questioner.fail(groupIds[i] ?? '', ErrorCode.COORDINATOR_NOT_AVAILABLE, leftOut));
}

function coordinatorOrError(groupId: string, context: RequestContext): GroupPort | KafkaError {
  try {
    return coordinatorOf(groupId, context);
  } catch (error) {
    return kafkaErrorOf(error, COORDINATOR_FAILURES);
  }
}

async function askOne<Reply>(
  group: CoordinatorGroups,
  context: RequestContext,
  questioner: GroupQuestioner<Reply>,
  replies: (Reply | undefined)[],
): Promise<void> {
  try {
    const answers = await questioner.ask(group.port, group.groupIds);
    for (const [i, place] of group.places.entries()) replies[place] = answers[i];
  } catch (thrown) {
    const error = kafkaErrorOf(thrown, COORDINATOR_FAILURES);
    context.gateway.log.write(
      'error',
      'coordinator-failed',
      { error: String(error.cause ?? error) },
      'a coordinator failed to answer',
    );
    for (const [i, place] of group.places.entries()) {
      replies[place] = questioner.fail(group.groupIds[i] ?? '', error.code, error.message);
    }
  }
}
