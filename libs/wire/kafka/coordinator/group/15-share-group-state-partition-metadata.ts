import { array, int32, string, uuid } from '../../schema/field';
import { coordinatorRecord } from '../coordinator-record';

const topicPartitionsInfo = {
  topicId: uuid(),
  topicName: string(),
  partitions: array(int32()),
};

const topicInfo = {
  topicId: uuid(),
  topicName: string(),
};

/** Which share partitions of a share group are being created, exist and are being deleted (KIP-932). */
export const shareGroupStatePartitionMetadataRecord = coordinatorRecord({
  type: 15,
  name: 'ShareGroupStatePartitionMetadata',
  key: {
    groupId: string(),
  },
  valueVersions: '0',
  flexible: '0+',
  value: {
    initializingTopics: array(topicPartitionsInfo),
    initializedTopics: array(topicPartitionsInfo),
    deletingTopics: array(topicInfo),
  },
});
