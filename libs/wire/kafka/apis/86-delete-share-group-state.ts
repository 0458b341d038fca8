import { api } from '../schema/api';
import { array, int16, int32, string, uuid } from '../schema/field';

/** Deletes the state of share partitions from __share_group_state; between brokers (KIP-932). */
export const deleteShareGroupState = api({
  key: 86,
  name: 'DeleteShareGroupState',
  versions: '0',
  flexible: '0+',
  request: {
    groupId: string(),
    topics: array({
      topicId: uuid(),
      partitions: array({
        partition: int32(),
      }),
    }),
  },
  response: {
    results: array({
      topicId: uuid(),
      partitions: array({
        partition: int32(),
        errorCode: int16(),
        errorMessage: string({ nullable: true, default: null }),
      }),
    }),
  },
});
