import type { MembershipChange } from '@streamline/core/raft/inputs';
import { VOTERS_MAX } from '@streamline/core/raft/limits';
import type { Configuration, Member, VoterId } from '@streamline/core/raft/types';
import { nodeIdOf } from '@streamline/core/raft/types';
import type { SeededRandom } from '@streamline/testing/time/seeded-random';
import { canLoseDisk } from './possible-configurations';
import type { ClusterGhost } from './cluster-ghost';
import type { SimulationCounters } from './counters';
import type { Machine } from './machine';
import type { SimulatedProcess } from './simulated-process';

/** Asks that no answer came for, and that may still be carried out. */
interface Asked {
  readonly process: SimulatedProcess;
  readonly voters: readonly VoterId[];
}

/**
 * Changes the membership and hands leadership over, as somebody with an administrator's tools might: sensibly as to disks (a
 * majority of the voters that would result has its disk), and without regard to anything else that goes on.
 */
export class Operator {
  #asked: Asked[] = [];

  constructor(
    private readonly machines: readonly Machine[],
    private readonly ghost: ClusterGhost,
    private readonly random: SeededRandom,
    private readonly counters: SimulationCounters,
  ) {}

  transfer(): void {
    const leader = this.#leader();
    if (leader?.status === undefined) return;
    const { members } = leader.status.configuration.configuration;
    const to = this.random.chance(0.3) || members.length === 0 ? undefined : this.random.pick(members).id;
    leader.transfer(to, (outcome) => {
      if (outcome.kind === 'done') this.counters.transfersDone += 1;
      else if (outcome.kind === 'timed-out') this.counters.transfersTimedOut += 1;
      else this.counters.transfersRefused += 1;
    });
  }

  changeMembership(): void {
    const leader = this.#leader();
    const configuration = leader?.status?.configuration.configuration;
    if (leader === undefined || configuration === undefined) return;
    const changes = this.#draw(configuration, leader.id);
    if (changes.length === 0) return;
    const voters = votersAfter(configuration, changes);
    if (!this.#isSensible(voters)) return;
    const asked = { process: leader, voters };
    this.#asked = [...this.#asked.filter(({ process }) => this.#runs(process)), asked];
    leader.changeMembership(changes, (outcome) => {
      this.#asked = this.#asked.filter((other) => other !== asked);
      if (outcome.kind === 'done') this.#count(changes, configuration, voters, leader.id);
      else if (outcome.kind === 'unknown') this.counters.changesUnknown += 1;
      else this.counters.changesRefused += 1;
    });
  }

  /** Whether the cluster can go on for good without this member's disk, whatever becomes of the changes under way. */
  canLose(lost: VoterId): boolean {
    if (!canLoseDisk(this.ghost, lost)) return false;
    const isLeft = (id: VoterId): boolean => id !== lost && this.ghost.members.get(id)?.isIntact === true;
    return this.#asked.every(({ voters }) => 2 * voters.filter(isLeft).length > voters.length);
  }

  #isSensible(voters: readonly VoterId[]): boolean {
    const isIntact = (id: VoterId): boolean => this.ghost.members.get(id)?.isIntact === true;
    return 2 * voters.filter(isIntact).length > voters.length || this.random.chance(0.02 * Number(voters.length === 0));
  }

  #runs(process: SimulatedProcess): boolean {
    return this.machines.some((machine) => machine.process === process);
  }

  /** One that says it leads, be it true or not. */
  #leader(): SimulatedProcess | undefined {
    const leaders = this.machines.flatMap(({ process }) => (process?.status?.nodeState === 'Leader' ? [process] : []));
    return leaders.length === 0 ? undefined : this.random.pick(leaders);
  }

  #draw({ members, voters, learners }: Configuration, leader: VoterId): readonly MembershipChange[] {
    const { random } = this;
    const outside = this.machines.filter(({ id, isUp }) => isUp && !members.some((member) => member.id === id));
    const isLost = (id: VoterId): boolean => this.ghost.members.get(id)?.isIntact !== true;
    const lost = members.map(({ id }) => id).filter(isLost);
    const add = (): MembershipChange[] => (outside.length === 0 ? addAgain() : [addLearner(random.pick(outside).member)]);
    const addAgain = (): MembershipChange[] =>
      members.filter(({ id }) => learners.includes(id)).map((member) => addLearner(member));
    const promote = (): MembershipChange[] => (learners.length === 0 ? [] : [{ kind: 'promote', id: random.pick(learners) }]);
    const demote = (): MembershipChange[] => (voters.length < 2 ? [] : [{ kind: 'demote', id: random.pick(voters) }]);
    const remove = (): MembershipChange[] => {
      if (lost.length > 0 && random.chance(0.8)) return [{ kind: 'remove', id: random.pick(lost) }];
      const removable = voters.length > 1 ? [...voters, ...learners] : learners;
      if (removable.length === 0) return [];
      return [{ kind: 'remove', id: random.chance(0.2) && voters.length > 1 ? leader : random.pick(removable) }];
    };
    const move = (): MembershipChange[] => {
      const machine = random.pick(this.machines);
      if (!members.some(({ id }) => id === machine.id)) return [];
      return [{ kind: 'set-address', id: machine.id, address: machine.nextAddress }];
    };
    if (lost.length > 0 && random.chance(0.5)) return remove();
    if (random.chance(0.3))
      return distinct([...promote(), ...demote(), ...(random.chance(0.5) ? remove() : promote()), ...add()]);
    return random.pick([add, add, promote, promote, promote, demote, remove, move])();
  }

  #count(changes: readonly MembershipChange[], before: Configuration, after: readonly VoterId[], leader: VoterId): void {
    const { counters } = this;
    for (const { kind } of changes) {
      if (kind === 'add-learner') counters.learnersAdded += 1;
      if (kind === 'promote') counters.promotions += 1;
      if (kind === 'demote') counters.demotions += 1;
      if (kind === 'remove') counters.removals += 1;
      if (kind === 'set-address') counters.addressChanges += 1;
    }
    if (!after.includes(leader)) counters.leadersRemoved += 1;
    const changed = [...after.filter((id) => !before.voters.includes(id)), ...before.voters.filter((id) => !after.includes(id))];
    if (changed.length > 1) counters.jointChanges += 1;
  }
}

/** Half of the nodes come to stay learners; one that is added again changes its mind. */
function addLearner({ id, address, staysLearner }: Member): MembershipChange {
  const stays = nodeIdOf(id) % 2 === 0 && staysLearner !== true;
  return { kind: 'add-learner', member: stays ? { id, address, staysLearner: true } : { id, address } };
}

/** One change a member; voters stay within their bound. */
function distinct(changes: readonly MembershipChange[]): readonly MembershipChange[] {
  const seen = new Set<VoterId>();
  return changes.filter((change) => {
    const id = change.kind === 'add-learner' ? change.member.id : change.id;
    const isNew = !seen.has(id);
    seen.add(id);
    return isNew;
  });
}

function votersAfter({ voters }: Configuration, changes: readonly MembershipChange[]): readonly VoterId[] {
  const after = new Set(voters);
  for (const change of changes) {
    if (change.kind === 'promote') after.add(change.id);
    if (change.kind === 'demote' || change.kind === 'remove') after.delete(change.id);
  }
  return [...after].slice(0, VOTERS_MAX);
}
