import { api } from '../schema/api';
import { array, bool, int16, int32, int64, string } from '../schema/field';

/**
 * Describes the log directories of a broker and the sizes of the replicas in them (KIP-113).
 * v3 has a top-level error, v4 the size and free space of the volume (KIP-827), v5 whether a directory is cordoned
 * (KIP-1066).
 */
export const describeLogDirs = api({
  key: 35,
  name: 'DescribeLogDirs',
  versions: '1-5',
  flexible: '2+',
  request: {
    topics: array(
      {
        topic: string(),
        partitions: array(int32()),
      },
      { nullable: true },
    ),
  },
  response: {
    throttleTimeMs: int32(),
    errorCode: int16({ versions: '3+', ignorable: true }),
    results: array({
      errorCode: int16(),
      logDir: string(),
      topics: array({
        name: string(),
        partitions: array({
          partitionIndex: int32(),
          partitionSize: int64(),
          offsetLag: int64(),
          isFutureKey: bool(),
        }),
      }),
      totalBytes: int64({ versions: '4+', default: -1n, ignorable: true }),
      usableBytes: int64({ versions: '4+', default: -1n, ignorable: true }),
      isCordoned: bool({ versions: '5+', default: false, ignorable: true }),
    }),
  },
});
