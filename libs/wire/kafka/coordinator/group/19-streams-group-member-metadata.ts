import { array, int32, string, struct, uint16 } from '../../schema/field';
import { coordinatorRecord } from '../coordinator-record';

const endpoint = {
  host: string(),
  port: uint16(),
};

const keyValue = {
  key: string(),
  value: string(),
};

/** A member of a streams group: its process, endpoint and topology epoch (KIP-1071). */
export const streamsGroupMemberMetadataRecord = coordinatorRecord({
  type: 19,
  name: 'StreamsGroupMemberMetadata',
  key: {
    groupId: string(),
    memberId: string(),
  },
  valueVersions: '0',
  flexible: '0+',
  value: {
    instanceId: string({ nullable: true }),
    rackId: string({ nullable: true }),
    clientId: string(),
    clientHost: string(),
    rebalanceTimeoutMs: int32({ default: -1 }),
    topologyEpoch: int32(),
    processId: string(),
    userEndpoint: struct(endpoint, { nullable: true, default: null }),
    clientTags: array(keyValue),
  },
});
