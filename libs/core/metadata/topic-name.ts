const LENGTH_MAX = 249;
const LEGAL = /^[a-zA-Z0-9._-]+$/;

/** The topic that holds Kafka's own metadata log: never a topic of users. */
export const METADATA_TOPIC = '__cluster_metadata';

/** What is wrong with a topic's name, in Kafka's words; undefined: nothing. */
export function topicNameFault(name: string): string | undefined {
  if (name === '') return 'Topic name is invalid: the empty string is not allowed';
  if (name === '.' || name === '..') return `Topic name is invalid: '.' or '..' is not allowed`;
  if (name.length > LENGTH_MAX) {
    return `Topic name is invalid: the length of '${name.slice(0, LENGTH_MAX)}...' is longer than the max allowed length ${LENGTH_MAX}`;
  }
  if (!LEGAL.test(name)) {
    return `Topic name is invalid: '${name}' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'`;
  }
  if (name === METADATA_TOPIC) return `Topic name is invalid: creation of the internal topic ${METADATA_TOPIC} is prohibited`;
  return undefined;
}

/** Names that are equal but for `.` and `_` collide in metrics, so that only one of them may exist; undefined: has neither. */
export function collisionKey(name: string): string | undefined {
  return name.includes('.') || name.includes('_') ? name.replaceAll('.', '_') : undefined;
}
