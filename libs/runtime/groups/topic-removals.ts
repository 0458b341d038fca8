import type { MetadataImage } from '@streamline/core/metadata/image';
import type { TopicId } from '@streamline/core/types/ids';
import type { MetadataChange } from '../metadata/metadata-replica';

export interface RemovedTopic {
  readonly name: string;
  readonly id: TopicId;
}

/** Remembers the names of topics, which the metadata no longer tells once they are gone. */
export class TopicRemovals {
  readonly #names = new Map<TopicId, string>();

  constructor(image: MetadataImage) {
    for (const { id, name } of image.topics.values()) this.#names.set(id, name);
  }

  /** Takes a change over; returns the topics that are gone since the last one. */
  follow(change: MetadataChange, image: MetadataImage): RemovedTopic[] {
    const removed: RemovedTopic[] = [];
    const candidates = change.isSnapshot ? [...this.#names.keys()] : change.removedTopics;
    for (const id of candidates) {
      const name = this.#names.get(id);
      if (name === undefined || image.topics.has(id)) continue;
      this.#names.delete(id);
      removed.push({ name, id });
    }
    for (const id of change.isSnapshot ? image.topics.keys() : change.changedTopics) {
      const name = image.topics.get(id)?.name;
      if (name !== undefined) this.#names.set(id, name);
    }
    return removed;
  }
}
