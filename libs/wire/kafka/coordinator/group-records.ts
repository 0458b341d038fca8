import { recordTable } from './coordinator-record';
import { legacyOffsetCommitRecord } from './group/00-legacy-offset-commit';
import { offsetCommitRecord } from './group/01-offset-commit';
import { groupMetadataRecord } from './group/02-group-metadata';
import { consumerGroupMetadataRecord } from './group/03-consumer-group-metadata';
import { consumerGroupPartitionMetadataRecord } from './group/04-consumer-group-partition-metadata';
import { consumerGroupMemberMetadataRecord } from './group/05-consumer-group-member-metadata';
import { consumerGroupTargetAssignmentMetadataRecord } from './group/06-consumer-group-target-assignment-metadata';
import { consumerGroupTargetAssignmentMemberRecord } from './group/07-consumer-group-target-assignment-member';
import { consumerGroupCurrentMemberAssignmentRecord } from './group/08-consumer-group-current-member-assignment';
import { shareGroupMemberMetadataRecord } from './group/10-share-group-member-metadata';
import { shareGroupMetadataRecord } from './group/11-share-group-metadata';
import { shareGroupTargetAssignmentMetadataRecord } from './group/12-share-group-target-assignment-metadata';
import { shareGroupTargetAssignmentMemberRecord } from './group/13-share-group-target-assignment-member';
import { shareGroupCurrentMemberAssignmentRecord } from './group/14-share-group-current-member-assignment';
import { shareGroupStatePartitionMetadataRecord } from './group/15-share-group-state-partition-metadata';
import { consumerGroupRegularExpressionRecord } from './group/16-consumer-group-regular-expression';
import { streamsGroupMetadataRecord } from './group/17-streams-group-metadata';
import { streamsGroupMemberMetadataRecord } from './group/19-streams-group-member-metadata';
import { streamsGroupTargetAssignmentMetadataRecord } from './group/20-streams-group-target-assignment-metadata';
import { streamsGroupTargetAssignmentMemberRecord } from './group/21-streams-group-target-assignment-member';
import { streamsGroupCurrentMemberAssignmentRecord } from './group/22-streams-group-current-member-assignment';
import { streamsGroupTopologyRecord } from './group/23-streams-group-topology';

/** The records of __consumer_offsets by the type that their key begins with. */
export const groupRecords = recordTable([
  legacyOffsetCommitRecord,
  offsetCommitRecord,
  groupMetadataRecord,
  consumerGroupMetadataRecord,
  consumerGroupPartitionMetadataRecord,
  consumerGroupMemberMetadataRecord,
  consumerGroupTargetAssignmentMetadataRecord,
  consumerGroupTargetAssignmentMemberRecord,
  consumerGroupCurrentMemberAssignmentRecord,
  shareGroupMemberMetadataRecord,
  shareGroupMetadataRecord,
  shareGroupTargetAssignmentMetadataRecord,
  shareGroupTargetAssignmentMemberRecord,
  shareGroupCurrentMemberAssignmentRecord,
  shareGroupStatePartitionMetadataRecord,
  consumerGroupRegularExpressionRecord,
  streamsGroupMetadataRecord,
  streamsGroupMemberMetadataRecord,
  streamsGroupTargetAssignmentMetadataRecord,
  streamsGroupTargetAssignmentMemberRecord,
  streamsGroupCurrentMemberAssignmentRecord,
  streamsGroupTopologyRecord,
]);
