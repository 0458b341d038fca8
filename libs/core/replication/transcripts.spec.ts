import path from 'node:path';
import { ReplicationStory } from '@streamline/testing/replication-stories/replication-story';
import { describeTranscripts } from '@streamline/testing/transcripts/transcripts';

describeTranscripts('transcripts of replication', path.join(import.meta.dirname, 'transcripts'), 7, () => new ReplicationStory());
