import { int32, int64, string } from '../../schema/field';
import { coordinatorRecord } from '../coordinator-record';

/** An offset commit in the format from before Kafka 0.9. Read only. */
export const legacyOffsetCommitRecord = coordinatorRecord({
  type: 0,
  name: 'LegacyOffsetCommit',
  key: {
    group: string(),
    topic: string(),
    partition: int32(),
  },
  valueVersions: '0',
  flexible: 'none',
  value: {
    offset: int64(),
    metadata: string(),
    commitTimestamp: int64(),
  },
});
