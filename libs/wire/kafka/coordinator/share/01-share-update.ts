import { array, int16, int32, int64, int8, string, uuid } from '../../schema/field';
import { coordinatorRecord } from '../coordinator-record';

/** A change of a share partition's state since its last snapshot (KIP-932). */
export const shareUpdateRecord = coordinatorRecord({
  type: 1,
  name: 'ShareUpdate',
  key: {
    groupId: string(),
    topicId: uuid(),
    partition: int32(),
  },
  valueVersions: '0',
  flexible: '0+',
  value: {
    snapshotEpoch: int32(),
    leaderEpoch: int32(),
    startOffset: int64(),
    deliveryCompleteCount: int32({ tag: 0, default: -1 }),
    stateBatches: array({
      firstOffset: int64(),
      lastOffset: int64(),
      deliveryState: int8(),
      deliveryCount: int16(),
    }),
  },
});
