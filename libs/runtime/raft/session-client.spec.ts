import { describe, expect, it } from 'vitest';
import type { Message } from '@streamline/core/raft/messages';
import { type Host, RaftHostKit, votersUpTo } from '@streamline/testing/raft-host/raft-host-kit';
import { encodeCommand, modelOf, type RegisterResult } from '@streamline/testing/raft-host/register-machine';
import { SessionClient, type SessionReply } from './session-client';

const KEY = 'list-a';

async function cluster(): Promise<RaftHostKit> {
  const kit = new RaftHostKit(votersUpTo(3));
  for (const node of [1, 2, 3]) await kit.start(node);
  await kit.until('a leader', () => kit.leader !== undefined);
  return kit;
}

function clientOf(kit: RaftHostKit, host: Host): SessionClient<RegisterResult> {
  const { clock, random } = kit;
  return new SessionClient({ clock, random, propose: (proposals, options) => host.driver.propose(proposals, options) });
}

function append(
  client: SessionClient<RegisterResult>,
  value: string,
  deadlineMs = 30_000,
): Promise<SessionReply<RegisterResult>> {
  return client.propose([encodeCommand({ key: KEY, operation: { kind: 'append', value } })], deadlineMs);
}

/** The list as it is after these values, each once. */
function listOf(values: readonly string[]): string {
  const model = modelOf(KEY);
  return values.reduce((state, value) => model.apply(state, { kind: 'append', value }).state, model.initial);
}

describe('SessionClient', () => {
  it('lets each proposal take effect once and in order, though answers get lost and the leader changes', async () => {
    const kit = await cluster();
    const asking = [...kit.hosts.values()].find(({ driver }) => !driver.leads);
    if (asking === undefined) throw new Error('somebody follows');
    const client = clientOf(kit, asking);
    let lost = 0;
    kit.network.drops = (message: Message) => message.kind === 'forward-result' && lost++ % 2 === 0;
    const values = Array.from({ length: 40 }, (_, n) => `v${n}`);
    const replies: Promise<SessionReply<RegisterResult>>[] = [];
    for (const [n, value] of values.entries()) {
      replies.push(append(client, value));
      if (n % 10 === 5) {
        const others = [...kit.hosts.values()].filter((host) => host !== asking).map(({ id }) => id);
        void kit.leader?.driver.transferLeadership(others[n % 2], { deadlineMs: 2_000 });
        await kit.until('some are answered', () => asking.machine.appliedIndex > n / 2);
      }
    }
    const kinds = (await kit.outcome(Promise.all(replies), 120_000)).map(({ kind }) => kind);
    expect(kinds.filter((kind) => kind !== 'applied' && kind !== 'repeated')).toEqual([]);
    expect(kinds).toContain('repeated');
    expect(asking.machine.read(KEY)).toBe(listOf(values));
  });

  it('gives up at the deadline, and goes on in another session', async () => {
    const kit = await cluster();
    const leader = kit.leader;
    if (leader === undefined) throw new Error('nobody leads');
    const client = clientOf(kit, leader);
    expect((await kit.outcome(append(client, 'a'))).kind).toBe('applied');
    kit.network.isolate(leader.id);
    expect((await kit.outcome(append(client, 'b', 500))).kind).toBe('unknown');
    kit.network.heal();
    expect((await kit.outcome(append(client, 'c'))).kind).toBe('applied');
    expect([listOf(['a', 'c']), listOf(['a', 'b', 'c'])]).toContain(leader.machine.read(KEY));
  });

  it('refuses what is too large alone, and not what waits beside it', async () => {
    const kit = await cluster();
    const leader = kit.leader;
    if (leader === undefined) throw new Error('nobody leads');
    const client = clientOf(kit, leader);
    const replies = [append(client, 'a'), append(client, 'x'.repeat(100_000)), append(client, 'b')];
    const kinds = (await kit.outcome(Promise.all(replies))).map(({ kind }) => kind);
    expect(kinds).toEqual(['applied', 'refused', 'applied']);
    expect(leader.machine.read(KEY)).toBe(listOf(['a', 'b']));
  });
});
