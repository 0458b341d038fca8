import path from 'node:path';
import { GroupStory } from '@streamline/testing/groups/group-story';
import { describeTranscripts } from '@streamline/testing/transcripts/transcripts';

describeTranscripts('transcripts of consumer groups', path.join(import.meta.dirname, 'transcripts'), 8, () => new GroupStory());
