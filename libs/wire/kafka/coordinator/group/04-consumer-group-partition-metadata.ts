import { array, int32, string, uuid } from '../../schema/field';
import { coordinatorRecord } from '../coordinator-record';

/** The partitions of a consumer group's topics, from before the hash in ConsumerGroupMetadata replaced them. */
export const consumerGroupPartitionMetadataRecord = coordinatorRecord({
  type: 4,
  name: 'ConsumerGroupPartitionMetadata',
  key: {
    groupId: string(),
  },
  valueVersions: '0',
  flexible: '0+',
  value: {
    topics: array({
      topicId: uuid(),
      topicName: string(),
      numPartitions: int32(),
      partitionMetadata: array({
        partition: int32(),
        racks: array(string()),
      }),
    }),
  },
});
