import type { MetadataImage } from '@streamline/core/metadata/image';
import type { MetadataIndex, TopicId } from '@streamline/core/types/ids';

/** What a stretch of the metadata log changed, so that followers need not compare whole images. */
export interface MetadataChange {
  /** True after a snapshot: everything may have changed, and the sets below name all that exists. */
  readonly isSnapshot: boolean;
  /** Topics that are new or whose partitions changed. */
  readonly changedTopics: ReadonlySet<TopicId>;
  readonly removedTopics: ReadonlySet<TopicId>;
  /** Topics (by name) whose dynamic configs changed; "" where cluster-wide ones did, so that any topic may be affected. */
  readonly changedConfigs: ReadonlySet<string>;
  readonly brokersChanged: boolean;
}

/** This process's copy of the metadata: one for all roles in it, kept up by following the controller's log. */
export interface MetadataReplica {
  readonly image: MetadataImage;
  /** Called after each applied stretch, in the order of subscription; returns how to stop. */
  subscribe(listener: (change: MetadataChange, image: MetadataImage) => void): () => void;
  /** True once `index` is applied; false when `timeoutMs` passed first. Resolves at once where it already is. */
  waitFor(index: MetadataIndex, timeoutMs: number): Promise<boolean>;
}
