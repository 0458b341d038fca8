import { VOTERS_MAX } from '@streamline/core/raft/limits';
import type { Configuration, Entry, PlacedConfiguration, SnapshotMeta, VoterId } from '@streamline/core/raft/types';
import type { ClusterGhost, Invariant, MemberGhost, SeenStep } from '../cluster-ghost';
import { Violation } from '../violation';

/**
 * Configuration safety (paper section 6, thesis 4): a node is always in the last configuration of its log, committed or not;
 * one configuration follows another only by steps whose majorities overlap; a leader begins a change only when the one before
 * and an entry of its own term are committed (the correction to the thesis of 2015).
 */
export class ConfigSafety implements Invariant {
  /** Index and term of entries that were looked at. */
  readonly #checked = new Set<string>();

  constructor(private readonly cluster: ClusterGhost) {}

  stepped({ member, effects, after }: SeenStep): void {
    const inLog = member.log.configuration;
    if (inLog.index !== after.configuration.index || !same(inLog.configuration, after.configuration.configuration)) {
      throw new Violation(
        'config-safety',
        `${member.id} is in the configuration of ${after.configuration.index}, the last in its log is at ${inLog.index}`,
      );
    }
    for (const effect of effects) {
      if (effect.kind === 'take-snapshot') this.#checkSnapshot(member, effect.snapshot);
      if (effect.kind !== 'persist') continue;
      if (effect.installSnapshot !== undefined) this.#checkSnapshot(member, effect.installSnapshot);
      for (const entry of effect.entries) if (entry.configuration !== undefined) this.#check(member, entry, entry.configuration);
    }
  }

  /** A snapshot carries the membership of its index, no later one. */
  #checkSnapshot({ id }: MemberGhost, { index, configuration }: SnapshotMeta): void {
    const { committed } = this.cluster;
    let at = index;
    while (at > 0 && committed[at - 1]?.entry.configuration === undefined) at -= 1;
    const expected = committed[at - 1]?.entry.configuration;
    if (configuration.index === at && (expected === undefined || same(expected, configuration.configuration))) return;
    throw new Violation(
      'config-safety',
      `${id}: the snapshot at ${index} has the configuration of ${configuration.index}, not of ${at}`,
    );
  }

  #check(member: MemberGhost, entry: Entry, configuration: Configuration): void {
    const place = `${entry.index}/${entry.term}`;
    if (this.#checked.has(place)) return;
    this.#checked.add(place);
    checkValid(member, configuration);
    const before = member.log.configurationBefore(entry.index);
    // A leader may write down the configuration that the cluster was bootstrapped with: nothing changes by it.
    if (before === undefined || same(before.configuration, configuration)) return;
    checkTransition(member, before, configuration);
    if (member.status?.nodeState === 'Leader' && member.status.term === entry.term) this.#checkBegun(member, before, entry);
  }

  #checkBegun(member: MemberGhost, before: PlacedConfiguration, entry: Entry): void {
    const commitIndex = member.status?.commitIndex ?? 0;
    if (before.index > commitIndex) {
      throw new Violation(
        'config-safety',
        `${member.id} changes the membership again at ${entry.index}: ${before.index} is not committed`,
      );
    }
    if (member.log.termAt(commitIndex) !== entry.term) {
      throw new Violation(
        'config-safety',
        `${member.id} changes the membership before it committed an entry of its term ${entry.term}`,
      );
    }
    if (this.cluster.leaders.get(entry.term) !== member.id) {
      throw new Violation('config-safety', `${member.id} changes the membership in a term that it does not lead`);
    }
  }
}

function checkValid({ id }: MemberGhost, { members, voters, outgoingVoters, learners }: Configuration): void {
  const named = new Set([...voters, ...outgoingVoters, ...learners]);
  const complain = (what: string): never => {
    throw new Violation('config-safety', `${id} appends a configuration ${what}`);
  };
  if (voters.length === 0) complain('without voters');
  if (voters.length > VOTERS_MAX || outgoingVoters.length > VOTERS_MAX) complain(`with more than ${VOTERS_MAX} voters`);
  if (new Set(voters).size !== voters.length || new Set(learners).size !== learners.length) complain('that names one twice');
  if (learners.some((learner) => voters.includes(learner))) complain('where a voter is a learner');
  if (members.some(({ id: member, staysLearner }) => staysLearner === true && !learners.includes(member)))
    complain('where one who is no learner is to stay one');
  if (members.length !== named.size || members.some((member) => !named.has(member.id)))
    complain('whose members are not those it names');
}

function checkTransition({ id }: MemberGhost, { index, configuration: before }: PlacedConfiguration, after: Configuration): void {
  const complain = (what: string): never => {
    throw new Violation('config-safety', `${id} ${what} after the configuration at ${index}`);
  };
  if (before.outgoingVoters.length > 0) {
    if (after.outgoingVoters.length > 0 || !sameSet(after.voters, before.voters)) complain('does not end the joint phase');
    return;
  }
  if (after.outgoingVoters.length > 0) {
    if (!sameSet(after.outgoingVoters, before.voters))
      complain('enters a joint phase with other outgoing voters than the voters');
    return;
  }
  const changed = [...difference(before.voters, after.voters), ...difference(after.voters, before.voters)];
  if (changed.length > 1) complain(`changes ${changed.length} voters at once`);
}

function difference(a: readonly VoterId[], b: readonly VoterId[]): readonly VoterId[] {
  return a.filter((id) => !b.includes(id));
}

function sameSet(a: readonly VoterId[], b: readonly VoterId[]): boolean {
  return a.length === b.length && difference(a, b).length === 0;
}

function same(a: Configuration, b: Configuration): boolean {
  return a === b || JSON.stringify(a) === JSON.stringify(b);
}
