import { isVoter } from './configuration';
import type { MembershipChange } from './inputs';
import { ADDRESS_LENGTH_MAX, MEMBERS_MAX, VOTERS_MAX } from './limits';
import type { Configuration, Member, VoterId } from './types';
import { nodeIdOf } from './types';

/** The configuration to append for a change, or why there is none. */
export type MembershipPlan =
  { readonly kind: 'planned'; readonly configuration: Configuration } | { readonly kind: 'invalid'; readonly message: string };

/** What the changes make of a configuration that is not joint, before it is known whether both can stand side by side. */
class Target {
  readonly members: Map<VoterId, Member>;
  readonly voters: Set<VoterId>;
  readonly learners: Set<VoterId>;

  constructor(current: Configuration) {
    this.members = new Map(current.members.map((member) => [member.id, member]));
    this.voters = new Set(current.voters);
    this.learners = new Set(current.learners);
  }

  /** Returns what is wrong with the change, if anything is. */
  apply(change: MembershipChange): string | undefined {
    switch (change.kind) {
      case 'add-learner':
        if (this.voters.has(change.member.id)) return `${change.member.id} is a voter: to make it a learner, demote it`;
        this.#setMember(change.member.id, change.member.address, change.member.staysLearner);
        this.learners.add(change.member.id);
        return undefined;
      case 'promote':
        if (!this.learners.delete(change.id)) return `${change.id} is no learner: only a learner can be promoted`;
        this.voters.add(change.id);
        this.#mark(change.id, undefined);
        return undefined;
      case 'demote':
        if (!this.voters.delete(change.id)) return `${change.id} is no voter: only a voter can be demoted`;
        this.learners.add(change.id);
        this.#mark(change.id, true);
        return undefined;
      case 'remove':
        if (!this.members.delete(change.id)) return `${change.id} is no member`;
        this.voters.delete(change.id);
        this.learners.delete(change.id);
        return undefined;
      case 'set-address':
        if (!this.members.has(change.id)) return `${change.id} is no member`;
        this.#setMember(change.id, change.address, this.members.get(change.id)?.staysLearner);
        return undefined;
    }
  }

  problem(): string | undefined {
    if (this.voters.size === 0) return 'no voter would be left: at least one must stay';
    if (this.voters.size > VOTERS_MAX) return `${this.voters.size} voters are more than the ${VOTERS_MAX} that are allowed`;
    if (this.members.size > MEMBERS_MAX) return `${this.members.size} members are more than the ${MEMBERS_MAX} that are allowed`;
    const long = [...this.members.values()].find(({ address }) => address.length > ADDRESS_LENGTH_MAX);
    if (long !== undefined)
      return `the address of ${long.id} is longer than the ${ADDRESS_LENGTH_MAX} characters that are allowed`;
    return undefined;
  }

  #mark(id: VoterId, staysLearner: true | undefined): void {
    const member = this.members.get(id);
    if (member !== undefined && member.staysLearner !== staysLearner) this.#setMember(id, member.address, staysLearner);
  }

  /** Equal members look the same, wherever they come from. */
  #setMember(id: VoterId, address: string, staysLearner: true | undefined): void {
    this.members.set(id, staysLearner === true ? { id, address, staysLearner } : { id, address });
  }
}

/**
 * Plans a change of a configuration that is not joint. Where the voters differ by at most one, every majority of the old meets
 * every majority of the new, and one entry will do (thesis 4.1); else the plan is the joint configuration (paper section 6,
 * RAFT-12). A node is never two members, not even while one of them leaves a joint configuration.
 */
export function planMembership(current: Configuration, changes: readonly MembershipChange[]): MembershipPlan {
  if (changes.length === 0) return invalid('there is nothing to change');
  const target = new Target(current);
  for (const change of changes) {
    const wrong = target.apply(change);
    if (wrong !== undefined) return invalid(wrong);
  }
  const problem = target.problem();
  if (problem !== undefined) return invalid(problem);
  const { members, voters, learners } = target;
  const gone = current.voters.filter((id) => !voters.has(id));
  const come = [...voters].filter((id) => !current.voters.includes(id));
  const outgoingVoters = gone.length + come.length > 1 ? current.voters : [];
  const leaving = current.members.filter(({ id }) => outgoingVoters.includes(id) && !members.has(id));
  const all = [...members.values(), ...leaving];
  const nodeIds = all.map(({ id }) => nodeIdOf(id));
  const twice = nodeIds.find((nodeId, at) => nodeIds.indexOf(nodeId) < at);
  if (twice !== undefined) return invalid(`node ${twice} would be two members: remove the one of its disk before first`);
  return {
    kind: 'planned',
    configuration: { members: all, voters: [...voters], outgoingVoters, learners: [...learners] },
  };
}

/** Those that a change makes voters: they have to be caught up first. */
export function promotedBy(current: Configuration, next: Configuration): readonly VoterId[] {
  return next.voters.filter((id) => !isVoter(current, id));
}

function invalid(message: string): MembershipPlan {
  return { kind: 'invalid', message };
}
