import { describe, expect, it } from 'vitest';
import { storyVoterId, votersOf } from '@streamline/testing/raft-stories/exploration';
import { ConfigurationHistory, leaveJoint, majorityValue } from './configuration';
import { EMPTY_CONFIGURATION } from './limits';
import type { MembershipChange } from './inputs';
import { planMembership } from './membership-plan';
import type { Configuration, VoterId } from './types';

const [one, two, three, four, five] = [1, 2, 3, 4, 5].map(storyVoterId) as [VoterId, VoterId, VoterId, VoterId, VoterId];
const THREE = votersOf([1, 2, 3]);

function planned(current: Configuration, ...changes: MembershipChange[]): Configuration {
  const plan = planMembership(current, changes);
  if (plan.kind === 'invalid') throw new Error(plan.message);
  return plan.configuration;
}

function addLearner(id: VoterId): MembershipChange {
  return { kind: 'add-learner', member: { id, address: `${id}:1` } };
}

describe('majorityValue', () => {
  const valueOf = (values: Readonly<Record<string, number>>) => (id: VoterId) => values[id] ?? 0;

  it('is what more than half of the voters have reached', () => {
    expect(majorityValue(votersOf([1]), valueOf({ [one]: 7 }))).toBe(7);
    expect(majorityValue(votersOf([1, 2]), valueOf({ [one]: 7, [two]: 3 }))).toBe(3);
    expect(majorityValue(THREE, valueOf({ [one]: 7, [two]: 3, [three]: 5 }))).toBe(5);
    expect(majorityValue(votersOf([1, 2, 3, 4]), valueOf({ [one]: 9, [two]: 8, [three]: 2, [four]: 1 }))).toBe(2);
  });

  it('needs both majorities of a joint configuration (RAFT-11)', () => {
    const joint = { ...votersOf([3, 4, 5]), outgoingVoters: THREE.voters };
    expect(majorityValue(joint, valueOf({ [one]: 9, [two]: 9, [three]: 9 }))).toBe(0);
    expect(majorityValue(joint, valueOf({ [three]: 9, [four]: 9, [two]: 4 }))).toBe(4);
  });

  it('asks no learner, and nobody without voters', () => {
    expect(majorityValue({ ...votersOf([1, 2]), learners: [three] }, valueOf({ [one]: 5, [three]: 5 }))).toBe(0);
    expect(majorityValue(EMPTY_CONFIGURATION, () => 1)).toBe(-Infinity);
  });
});

describe('planMembership', () => {
  it('changes one voter by one entry', () => {
    const withLearner = planned(THREE, addLearner(four));
    expect([withLearner.voters, withLearner.learners]).toEqual([THREE.voters, [four]]);
    const promoted = planned(withLearner, { kind: 'promote', id: four });
    expect([promoted.voters, promoted.learners, promoted.outgoingVoters]).toEqual([[one, two, three, four], [], []]);
    expect(planned(promoted, { kind: 'remove', id: one }).members.map(({ id }) => id)).toEqual([two, three, four]);
  });

  it('goes through a joint configuration where more than one voter changes, and keeps who leaves reachable meanwhile', () => {
    const withLearners = planned(THREE, addLearner(four), addLearner(five));
    const joint = planned(withLearners, { kind: 'promote', id: four }, { kind: 'remove', id: one });
    expect([joint.voters, joint.outgoingVoters, joint.learners]).toEqual([[two, three, four], THREE.voters, [five]]);
    expect(new Set(joint.members.map(({ id }) => id))).toEqual(new Set([one, two, three, four, five]));
    const left = leaveJoint(joint);
    expect(new Set(left.members.map(({ id }) => id))).toEqual(new Set([two, three, four, five]));
    expect(left.outgoingVoters).toEqual([]);
  });

  it('keeps a demoted voter as a learner', () => {
    const demoted = planned(THREE, { kind: 'demote', id: two });
    expect([demoted.voters, demoted.learners, demoted.members.length]).toEqual([[one, three], [two], 3]);
  });

  it('keeps in mind which learner is to stay one: one that was added so or demoted, until it is promoted', () => {
    const stays = (configuration: Configuration): readonly VoterId[] =>
      configuration.members.filter(({ staysLearner }) => staysLearner).map(({ id }) => id);
    const member = { id: four, address: 'a:1', staysLearner: true } as const;
    const added = planned(THREE, { kind: 'add-learner', member });
    expect(stays(added)).toEqual([four]);
    expect(stays(planned(added, { kind: 'set-address', id: four, address: 'b:1' }))).toEqual([four]);
    expect(planned(added, { kind: 'promote', id: four }).members.at(-1)).toStrictEqual({ id: four, address: 'a:1' });
    expect(stays(planned(added, { kind: 'demote', id: one }))).toEqual([one, four]);
  });

  it('takes address and mark anew of a learner that is added again', () => {
    const added = planned(THREE, { kind: 'add-learner', member: { id: four, address: 'a:1', staysLearner: true } });
    const again = planned(added, { kind: 'add-learner', member: { id: four, address: 'b:1' } });
    expect(again.members.filter(({ id }) => id === four)).toStrictEqual([{ id: four, address: 'b:1' }]);
    expect([again.voters, again.learners]).toEqual([THREE.voters, [four]]);
  });

  it('changes an address and nothing else', () => {
    const moved = planned(THREE, { kind: 'set-address', id: two, address: 'new:1' });
    expect(moved.members.find(({ id }) => id === two)?.address).toBe('new:1');
    expect([moved.voters, moved.outgoingVoters]).toEqual([THREE.voters, []]);
  });

  it('lets the new disk of a node take the place of the one before in one change, and never stand beside it', () => {
    const newDisk = `3@${'B'.repeat(22)}` as VoterId;
    const replace = [{ kind: 'remove', id: three }, addLearner(newDisk)] as const;
    const replaced = planned(THREE, ...replace);
    expect([replaced.members.map(({ id }) => id), replaced.voters]).toEqual([
      [one, two, newDisk],
      [one, two],
    ]);
    const refused = { kind: 'invalid', message: 'node 3 would be two members: remove the one of its disk before first' };
    expect(planMembership(THREE, [addLearner(newDisk)])).toEqual(refused);
    expect(planMembership({ ...THREE, learners: [four] }, [...replace, { kind: 'demote', id: one }])).toEqual(refused);
  });

  it.each([
    ['nothing', THREE, []],
    ['a voter as a learner', THREE, [addLearner(one)]],
    ['a voter promoted', THREE, [{ kind: 'promote', id: one }]],
    ['a stranger promoted', THREE, [{ kind: 'promote', id: four }]],
    ['a learner demoted', { ...THREE, learners: [four] }, [{ kind: 'demote', id: four }]],
    ['a stranger removed', THREE, [{ kind: 'remove', id: four }]],
    ['the address of a stranger', THREE, [{ kind: 'set-address', id: four, address: 'x' }]],
    ['an address without end', THREE, [{ kind: 'set-address', id: two, address: 'x'.repeat(260) }]],
    ['the last voter removed', votersOf([1]), [{ kind: 'remove', id: one }]],
    ['the last voter demoted', votersOf([1]), [{ kind: 'demote', id: one }]],
    ['an eighth voter', votersOf([1, 2, 3, 4, 5, 6, 7]), [addLearner(storyVoterId(8)), { kind: 'promote', id: storyVoterId(8) }]],
  ] as [string, Configuration, MembershipChange[]][])('refuses %s', (_, current, changes) => {
    expect(planMembership(current, changes).kind).toBe('invalid');
  });
});

describe('ConfigurationHistory', () => {
  const later = planned(THREE, addLearner(four));

  it('brings the configuration before into force when the log is truncated (RAFT-12)', () => {
    const history = new ConfigurationHistory({ index: 0, configuration: THREE }, []);
    history.append({ index: 5, configuration: later });
    expect(history.latest.index).toBe(5);
    history.truncate(4);
    expect(history.latest).toEqual({ index: 0, configuration: THREE });
  });

  it('knows what was in force at an index, also after forgetting what was before', () => {
    const history = new ConfigurationHistory({ index: 0, configuration: THREE }, [{ index: 5, configuration: later }]);
    expect([4, 5, 9].map((index) => history.at(index).index)).toEqual([0, 5, 5]);
    history.compact(7);
    expect(history.at(7).index).toBe(5);
    history.truncate(5);
    expect(history.latest.index).toBe(5);
  });
});
