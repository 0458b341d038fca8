import { describe, expect, it, vi } from 'vitest';
import { MembershipOutcome } from '@streamline/wire/contracts/generated/streamline/controller/v1/membership';
import type { CallContext } from '@streamline/wire/contracts/port';
import { broker, membership, options, progress, quorum, replica } from './fixtures';
import {
  COMMAND_DEADLINE_MS,
  MembershipCommands,
  type MembershipCommander,
  type MembershipCommandsOptions,
} from './membership-commands';

const ADD = { nodeId: 4, raftAddr: '192.168.1.4:9093', forward: false };
const NOT_LEADER = { outcome: MembershipOutcome.NOT_LEADER, reason: '', field: '', role: '', leaderId: 2 };
const FOLLOWER = membership({ addMember: async () => NOT_LEADER });

function commands(over: Partial<MembershipCommandsOptions> = {}): MembershipCommands {
  const { replica: image, connectMembership: connect } = options();
  return new MembershipCommands({ membership: membership(), replica: image, connect, quorum: async () => quorum(), ...over });
}

/** A follower of node 2, which is reached as told; tells whom it asked and whether it let go of him. */
function follower(leader: MembershipCommander, over: Partial<MembershipCommandsOptions> = {}) {
  const asked: string[] = [];
  let open = 0;
  const connect = (address: string) => {
    asked.push(address);
    open += 1;
    return { port: leader, close: () => void (open -= 1) };
  };
  const known = async () => quorum({ leaderId: 2, members: [progress(2, { address: '10.0.0.2:9093' })] });
  return { service: commands({ membership: FOLLOWER, connect, quorum: known, ...over }), asked, open: () => open };
}

describe('adding a member', () => {
  it('makes a voter of it where nothing else is said', async () => {
    const addMember = vi.fn(membership().addMember);
    const service = commands({ membership: membership({ addMember }) });
    expect(await service.addMember(ADD)).toMatchObject({ outcome: MembershipOutcome.DONE, role: 'voter' });
    expect(await service.addMember({ ...ADD, promoteToVoter: false })).toMatchObject({ role: 'learner' });
    expect(addMember.mock.calls.map(([request]) => request)).toEqual([
      { nodeId: 4, address: '192.168.1.4:9093', promoteToVoter: true, directoryId: '' },
      { nodeId: 4, address: '192.168.1.4:9093', promoteToVoter: false, directoryId: '' },
    ]);
  });

  it.each([
    [{ nodeId: 0 }, 'node_id', 'node_id must be a whole number from 1 to 2147483647'],
    [{ nodeId: 2 ** 31 }, 'node_id', 'node_id must be a whole number from 1 to 2147483647'],
    [{ raftAddr: '' }, 'raft_addr', /such as 192\.168\.1\.4:9093: the port is missing$/],
    [{ raftAddr: 'http://a:1' }, 'raft_addr', /has no scheme/],
    [{ raftAddr: 'a:0' }, 'raft_addr', /port 0 is not between 1 and 65535/],
    [{ raftAddr: '0.0.0.0:9093' }, 'raft_addr', /0\.0\.0\.0 is good to listen on, but nobody is reached there/],
    [{ raftAddr: '[::]:9093' }, 'raft_addr', /nobody is reached there/],
  ])('asks nobody to do what cannot be right: %j', async (over, field, reason) => {
    const addMember = vi.fn(membership().addMember);
    const answer = await commands({ membership: membership({ addMember }) }).addMember({ ...ADD, ...over });
    expect(answer).toMatchObject({ outcome: MembershipOutcome.INVALID, field, reason: expect.stringMatching(reason) as unknown });
    expect(addMember).not.toHaveBeenCalled();
  });
});

describe('a node that does not lead', () => {
  it('says so, and who does', async () => {
    const { service, asked } = follower(membership());
    expect(await service.addMember(ADD)).toEqual(NOT_LEADER);
    expect(asked).toEqual([]);
  });

  it('asks the leader where it is told to forward, and lets go of the connection', async () => {
    const { service, asked, open } = follower(membership());
    expect(await service.addMember({ ...ADD, forward: true })).toMatchObject({ outcome: MembershipOutcome.DONE, role: 'voter' });
    expect(asked).toEqual(['10.0.0.2:9093']);
    expect(open()).toBe(0);
  });

  it('forwards removals and transfers as well', async () => {
    const refuse = async () => ({ ...NOT_LEADER, partitionsLeft: 0, partitionsTotal: 0, lostPartitions: [] });
    const own = membership({ removeMember: refuse, transferLeadership: refuse });
    const { service, asked } = follower(membership(), { membership: own });
    const done = { outcome: MembershipOutcome.DONE };
    expect(await service.removeMember({ nodeId: 3, force: true, forward: true })).toMatchObject(done);
    expect(await service.transferLeadership({ nodeId: 3, forward: true })).toMatchObject({ ...done, leaderId: 3 });
    expect(asked).toHaveLength(2);
  });

  it('takes the address that the broker registered where the consensus tells none', async () => {
    const known = async () => quorum({ leaderId: 2 });
    const { service, asked } = follower(membership(), { quorum: known, replica: replica(broker(2)) });
    await service.addMember({ ...ADD, forward: true });
    expect(asked).toEqual(['192.168.1.2:9093']);
  });

  it('goes no further than to the one that it takes for the leader', async () => {
    const { service, asked } = follower(membership({ addMember: async () => ({ ...NOT_LEADER, leaderId: 3 }) }));
    expect(await service.addMember({ ...ADD, forward: true })).toMatchObject({ leaderId: 3 });
    expect(asked).toHaveLength(1);
  });

  it.each([
    ['nobody leads', { membership: membership({ addMember: async () => ({ ...NOT_LEADER, leaderId: undefined }) }) }],
    ['it does not know where the leader is', { quorum: async () => quorum({ leaderId: 2 }), replica: replica() }],
    ['its controller does not say', { quorum: () => Promise.reject(new Error('gone')) }],
  ])('says that it does not lead where %s', async (_, over) => {
    const { service, asked } = follower(membership(), over);
    expect(await service.addMember({ ...ADD, forward: true })).toMatchObject({ outcome: MembershipOutcome.NOT_LEADER });
    expect(asked).toEqual([]);
  });

  it('lets go of the leader that fails', async () => {
    const { service, open } = follower(membership({ addMember: () => Promise.reject(new Error('reset')) }));
    await expect(service.addMember({ ...ADD, forward: true })).rejects.toThrow('reset');
    expect(open()).toBe(0);
  });
});

describe('the deadline of a command', () => {
  it('is told to who carries it out, is never more than half a minute, and shrinks by what passed before a forward', async () => {
    vi.useFakeTimers();
    try {
      const deadlines: (number | undefined)[] = [];
      const slow = (ms: number, answer: typeof NOT_LEADER) => (_request: unknown, context?: CallContext) => {
        deadlines.push(context?.deadlineMs);
        return new Promise<typeof NOT_LEADER>((resolve) => setTimeout(() => resolve(answer), ms));
      };
      const leader = membership({ addMember: slow(5_000, { ...NOT_LEADER, outcome: MembershipOutcome.DONE }) });
      const { service } = follower(leader, { membership: membership({ addMember: slow(4_000, NOT_LEADER) }) });
      const answers = [
        service.addMember({ ...ADD, forward: true }, { deadlineMs: 60_000 }),
        service.addMember({ ...ADD, forward: true }, { deadlineMs: 10_000 }),
      ];
      await vi.advanceTimersByTimeAsync(9_000);
      for (const answer of await Promise.all(answers)) expect(answer.outcome).toBe(MembershipOutcome.DONE);
      expect(deadlines).toEqual([COMMAND_DEADLINE_MS, 10_000, COMMAND_DEADLINE_MS - 4_000, 6_000]);
    } finally {
      vi.useRealTimers();
    }
  });

  it('holds also for who does not keep it', async () => {
    vi.useFakeTimers();
    try {
      const silent = membership({ addMember: () => new Promise(() => undefined) });
      const failure = commands({ membership: silent })
        .addMember(ADD)
        .catch((error: unknown) => error);
      await vi.advanceTimersByTimeAsync(COMMAND_DEADLINE_MS + 1_000);
      expect(await failure).toMatchObject({ code: 'deadline' });
    } finally {
      vi.useRealTimers();
    }
  });
});
