import { describe, expect, it } from 'vitest';
import { fakePort } from '@streamline/testing/gateway/fake-port';
import { fakeMember, fakeQuorum } from '@streamline/testing/gateway/fake-quorum';
import { MembershipOutcome } from '@streamline/wire/contracts/generated/streamline/controller/v1/membership';
import type { MembershipPort } from '@streamline/wire/contracts/ports';
import { MembershipAtLeader } from './membership-at-leader';

const DONE = { outcome: MembershipOutcome.DONE, reason: '' };

function atLeader(quorum = fakeQuorum([fakeMember(1), fakeMember(2)])) {
  const seen: unknown[] = [];
  const membership = new MembershipAtLeader({
    controller: { getQuorumStatus: async (request, context) => (seen.push([request, context]), quorum) },
    connect: (address) => ({
      port: fakePort<MembershipPort>({
        transferLeadership: async (request, context) => (seen.push([address, request, context]), DONE),
        removeMember: async () => Promise.reject(new Error('lost')),
      }),
      close: () => void seen.push('closed'),
    }),
  });
  return { membership, seen };
}

describe('MembershipAtLeader', () => {
  it('asks the leader at its address, over a connection of its own, with the deadline of the caller', async () => {
    const { membership, seen } = atLeader({ ...fakeQuorum([fakeMember(1), fakeMember(2)]), leaderId: 2 });
    expect(await membership.transferLeadership({ nodeId: 1 }, { deadlineMs: 5 })).toEqual(DONE);
    const context = { deadlineMs: 5 };
    expect(seen).toEqual([[{ ofLeader: true }, context], ['node2:9093', { nodeId: 1 }, context], 'closed']);
  });

  it('closes the connection of a call that fails', async () => {
    const { membership, seen } = atLeader();
    const request = { nodeId: 2, force: false, directoryId: '', keepAsLearner: true };
    await expect(membership.removeMember(request)).rejects.toThrow('lost');
    expect(seen.at(-1)).toBe('closed');
  });

  it.each([
    ['nobody leads', { ...fakeQuorum(), leaderId: undefined }],
    ['the address of the leader is not known', fakeQuorum([fakeMember(1, { address: '' })])],
  ])('is unavailable while %s', async (_, quorum) => {
    await expect(atLeader(quorum).membership.transferLeadership({ nodeId: 1 })).rejects.toMatchObject({ code: 'unavailable' });
  });
});
