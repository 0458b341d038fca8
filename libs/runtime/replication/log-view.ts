import { NO_LOG } from '@streamline/core/replication/begin-anew';
import type { EpochStart, LogFacts } from '@streamline/core/replication/types';
import type { Offset } from '@streamline/core/types/ids';
import type { PartitionLog } from '../log/log-engine';

const NO_EPOCHS: readonly EpochStart[] = [];

/** The log of a partition as the replication's core looks at it. */
export class LogView implements LogFacts {
  /** It failed, and is to be dropped: nothing of it counts any more. */
  isAbandoned = false;

  constructor(private readonly partition: { readonly log: PartitionLog }) {}

  get startOffset(): Offset {
    return this.isAbandoned ? NO_LOG : this.partition.log.logStartOffset;
  }

  get endOffset(): Offset {
    return this.isAbandoned ? NO_LOG : this.partition.log.logEndOffset;
  }

  get writtenEndOffset(): Offset {
    return this.isAbandoned ? NO_LOG : this.partition.log.writtenEndOffset;
  }

  get durableEndOffset(): Offset {
    return this.isAbandoned ? NO_LOG : this.partition.log.durableEndOffset;
  }

  get tailStartOffset(): Offset {
    return this.isAbandoned ? NO_LOG : this.partition.log.tailStartOffset;
  }

  get epochs(): readonly EpochStart[] {
    return this.isAbandoned ? NO_EPOCHS : this.partition.log.epochs;
  }

  get isOffline(): boolean {
    return !this.isAbandoned && this.partition.log.offlineReason !== undefined;
  }
}
