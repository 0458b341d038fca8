import { array, int16, int32, int64, int8, string, uuid } from '../../schema/field';
import { coordinatorRecord } from '../coordinator-record';

/** The whole state of a share partition: everything from before it in the log is obsolete (KIP-932). */
export const shareSnapshotRecord = coordinatorRecord({
  type: 0,
  name: 'ShareSnapshot',
  key: {
    groupId: string(),
    topicId: uuid(),
    partition: int32(),
  },
  valueVersions: '0',
  flexible: '0+',
  value: {
    snapshotEpoch: int32(),
    stateEpoch: int32(),
    leaderEpoch: int32(),
    startOffset: int64(),
    deliveryCompleteCount: int32({ tag: 0, default: -1 }),
    createTimestamp: int64(),
    writeTimestamp: int64(),
    stateBatches: array({
      firstOffset: int64(),
      lastOffset: int64(),
      deliveryState: int8(),
      deliveryCount: int16(),
    }),
  },
});
