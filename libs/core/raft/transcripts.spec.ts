import path from 'node:path';
import { RaftStory } from '@streamline/testing/raft-stories/raft-story';
import { describeTranscripts } from '@streamline/testing/transcripts/transcripts';

describeTranscripts('transcripts of Raft', path.join(import.meta.dirname, 'transcripts'), 12, () => new RaftStory());
