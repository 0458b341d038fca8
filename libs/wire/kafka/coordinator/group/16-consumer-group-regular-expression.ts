import { array, int64, string } from '../../schema/field';
import { coordinatorRecord } from '../coordinator-record';

/** The topics that a regular expression of a consumer group matched, and when (KIP-848). */
export const consumerGroupRegularExpressionRecord = coordinatorRecord({
  type: 16,
  name: 'ConsumerGroupRegularExpression',
  key: {
    groupId: string(),
    regularExpression: string(),
  },
  valueVersions: '0',
  flexible: '0+',
  value: {
    topics: array(string()),
    version: int64(),
    timestamp: int64(),
  },
});
