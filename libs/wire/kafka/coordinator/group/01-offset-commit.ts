import { int32, int64, string, uuid } from '../../schema/field';
import { coordinatorRecord } from '../coordinator-record';

/**
 * An offset that a group has committed for a partition; a tombstone forgets it.
 * v1 carried an expiry time, v3 adds the leader epoch, v4 the topic's id (KIP-848).
 */
export const offsetCommitRecord = coordinatorRecord({
  type: 1,
  name: 'OffsetCommit',
  key: {
    group: string(),
    topic: string(),
    partition: int32(),
  },
  valueVersions: '0-4',
  flexible: '4+',
  value: {
    offset: int64(),
    leaderEpoch: int32({ versions: '3+', default: -1, ignorable: true }),
    metadata: string(),
    commitTimestamp: int64(),
    expireTimestamp: int64({ versions: '1', default: -1n, ignorable: true }),
    topicId: uuid({ versions: '4+', tag: 0, ignorable: true }),
  },
});
