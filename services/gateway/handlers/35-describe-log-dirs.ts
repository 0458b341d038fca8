import { ErrorCode } from '@streamline/core/types/error-code';
import type { LogDir, LogDirPartition, PartitionId } from '@streamline/wire/contracts/generated/streamline/storage/v1/partition';
import { describeLogDirs } from '@streamline/wire/kafka/apis/35-describe-log-dirs';
import type { RequestOf, ResponseInput } from '@streamline/wire/kafka/schema/api';
import { STORAGE_FAILURES } from '../context/kafka-error';
import type { RequestContext } from '../context/request-context';
import { topicById, topicByName } from '../context/topics';
import { handler } from './handler';

type DescribeLogDirsRequest = RequestOf<typeof describeLogDirs>;
type DirectoryResponse = ResponseInput<typeof describeLogDirs>['results'][number];

const FIRST_VERSION_WITH_TOP_LEVEL_ERROR = 3;

const DEADLINE_MS = 10_000;

/** Tells the directories of this broker and how large its partitions in them are. */
export const describeLogDirsHandler = handler({
  api: describeLogDirs,
  failures: STORAGE_FAILURES,
  async handle(request, context) {
    const query = { partitions: wanted(request, context), allPartitions: request.topics === null };
    const { storage, nodeId } = context.gateway;
    const answers = await Promise.all(
      storage.ofBroker(nodeId).map((port) => port.partitions.describeLogDirs(query, { deadlineMs: DEADLINE_MS })),
    );
    const results = answers.flatMap(({ logDirs }) => logDirs.map((directory) => respond(directory, context)));
    return { throttleTimeMs: 0, errorCode: ErrorCode.NONE, results };
  },
  failure(_request, error, context) {
    const results = context.apiVersion < FIRST_VERSION_WITH_TOP_LEVEL_ERROR ? [noDirectory(error.code)] : [];
    return { throttleTimeMs: 0, errorCode: error.code, results };
  },
});

function noDirectory(errorCode: number): DirectoryResponse {
  return { errorCode, logDir: '', topics: [] };
}

/** Topics that do not exist have nothing in any directory. */
function wanted(request: DescribeLogDirsRequest, context: RequestContext): PartitionId[] {
  return (request.topics ?? []).flatMap(({ topic: name, partitions }) => {
    const topic = topicByName(context.image, name);
    return topic === undefined ? [] : partitions.map((partition) => ({ topicId: topic.id, partition }));
  });
}

function respond(directory: LogDir, context: RequestContext): DirectoryResponse {
  const byTopic = new Map<string, LogDirPartition[]>();
  for (const partition of directory.partitions) {
    const name = topicById(context.image, partition.topicId)?.name;
    if (name === undefined) continue;
    const partitions = byTopic.get(name);
    if (partitions === undefined) byTopic.set(name, [partition]);
    else partitions.push(partition);
  }
  return {
    errorCode: directory.errorCode,
    logDir: directory.path,
    topics: [...byTopic].map(([name, partitions]) => ({
      name,
      partitions: partitions.map(({ partition, sizeBytes, offsetLag }) => ({
        partitionIndex: partition,
        partitionSize: BigInt(sizeBytes),
        offsetLag: BigInt(offsetLag),
        isFutureKey: false,
      })),
    })),
    totalBytes: BigInt(directory.totalBytes),
    usableBytes: BigInt(directory.usableBytes),
  };
}
