import { array, int16, int32, string } from '../../schema/field';
import { coordinatorRecord } from '../coordinator-record';

const topicConfig = {
  key: string(),
  value: string(),
};

const topicInfo = {
  name: string(),
  partitions: int32(),
  replicationFactor: int16(),
  topicConfigs: array(topicConfig),
};

/** The topology of a streams group: its subtopologies and their topics (KIP-1071). */
export const streamsGroupTopologyRecord = coordinatorRecord({
  type: 23,
  name: 'StreamsGroupTopology',
  key: {
    groupId: string(),
  },
  valueVersions: '0',
  flexible: '0+',
  value: {
    epoch: int32(),
    subtopologies: array({
      subtopologyId: string(),
      sourceTopics: array(string()),
      sourceTopicRegex: array(string()),
      stateChangelogTopics: array(topicInfo),
      repartitionSinkTopics: array(string()),
      repartitionSourceTopics: array(topicInfo),
      copartitionGroups: array({
        sourceTopics: array(int16()),
        sourceTopicRegex: array(int16()),
        repartitionSourceTopics: array(int16()),
      }),
    }),
  },
});
