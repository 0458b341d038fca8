import type { TopicId } from '@streamline/core/types/ids';
import { isUuidText, ZERO_TOPIC_ID } from '@streamline/core/types/ids';
import type { Random } from '@streamline/runtime/ports/random';

/** A fresh one. A leading "-" is taken for a flag by tools (as in Kafka). */
export function newTopicId(random: Pick<Random, 'bytes'>): TopicId {
  for (;;) {
    const id = random.bytes(16).toString('base64url');
    if (mayBeTopicId(id)) return id;
  }
}

/** What another node drew. */
export function mayBeTopicId(id: string): id is TopicId {
  return isUuidText(id) && id !== ZERO_TOPIC_ID && !id.startsWith('-');
}
