import { ErrorCode } from '@streamline/core/types/error-code';
import type { PartitionIndex, TopicId } from '@streamline/core/types/ids';
import type {
  DescribeLogDirsRequest,
  DescribeLogDirsResponse,
  LogDirPartition,
} from '@streamline/wire/contracts/generated/streamline/storage/v1/partition';
import type { Disk } from '../ports/disk';
import type { HostedPartition } from './hosted-partition';
import type { PartitionTable } from './partition-table';

const UNKNOWN = -1;

/** The one log directory of this node: the bytes of its partitions and of the volume that it is on (KIP-827). */
export async function describeLogDirs(
  request: DescribeLogDirsRequest,
  disk: Disk,
  directory: string,
  table: PartitionTable,
): Promise<DescribeLogDirsResponse> {
  const asked = request.allPartitions
    ? [...table.all()]
    : request.partitions.map(({ topicId, partition }) => table.get(topicId as TopicId, partition as PartitionIndex));
  const partitions = asked.filter((each) => each !== undefined).map(sizeOf);
  try {
    const { freeBytes, totalBytes } = await disk.space(directory);
    return { logDirs: [{ errorCode: ErrorCode.NONE, path: directory, totalBytes, usableBytes: freeBytes, partitions }] };
  } catch {
    const errorCode = ErrorCode.KAFKA_STORAGE_ERROR;
    return { logDirs: [{ errorCode, path: directory, totalBytes: UNKNOWN, usableBytes: UNKNOWN, partitions: [] }] };
  }
}

/** The lag is what a future or stale replica still has to copy; a leader has none. */
function sizeOf({ key, log, highWatermark }: HostedPartition): LogDirPartition {
  const offsetLag = Math.max(0, highWatermark - log.logEndOffset);
  return { topicId: key.topicId, partition: key.partition, sizeBytes: log.sizeBytes, offsetLag };
}
