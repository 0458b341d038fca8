import type { MetadataImage } from '@streamline/core/metadata/image';
import type { TouchedMetadata } from '@streamline/core/metadata/metadata-state';
import type { MetadataChange } from './metadata-replica';

/** What subscribers are told of a stretch of the log. */
export function changeOf(touched: TouchedMetadata): MetadataChange {
  return {
    isSnapshot: false,
    changedTopics: touched.topics,
    removedTopics: touched.removedTopics,
    changedConfigs: touched.configs,
    brokersChanged: touched.brokers,
  };
}

/** After a snapshot everything may have changed. */
export function wholeChange(before: MetadataImage, after: MetadataImage): MetadataChange {
  const names = [...after.topicIdsByName.keys()];
  return {
    isSnapshot: true,
    changedTopics: new Set(after.topics.keys()),
    removedTopics: new Set([...before.topics.keys()].filter((id) => !after.topics.has(id))),
    changedConfigs: new Set(['', ...names]),
    brokersChanged: true,
  };
}
