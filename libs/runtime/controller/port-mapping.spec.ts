import type { DirectoryId, NodeId } from '@streamline/core/types/ids';
import { MemberProgress } from '@streamline/wire/contracts/generated/streamline/controller/v1/controller';
import { describe, expect, it } from 'vitest';
import { fromMember } from './port-mapping';

describe('fromMember', () => {
  it('tells whole milliseconds of a clock that has fractions, so that the answer of a leader can be encoded', () => {
    const member = {
      nodeId: 2 as NodeId,
      directoryId: 'directory2' as DirectoryId,
      address: '127.0.0.2:9093',
      isVoter: true,
      staysLearner: false,
    };
    const told = fromMember({ ...member, progress: { matchIndex: 7, silentMs: 12.75 } });
    expect(MemberProgress.decode(MemberProgress.encode(told).finish())).toMatchObject({ logEndIndex: 7, silentMs: 12 });
    expect(fromMember({ ...member, progress: undefined })).toMatchObject({ logEndIndex: -1, silentMs: -1 });
  });
});
