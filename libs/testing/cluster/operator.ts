import type { Configuration, Member, VoterId } from '@streamline/core/raft/types';
import { isDiskFault } from '@streamline/testing/raft/shipped-disk';
import { Violation } from '@streamline/testing/raft/violation';
import { canLoseDisk } from '@streamline/testing/raft/possible-configurations';
import type { SeededRandom } from '@streamline/testing/time/seeded-random';
import { MembershipOutcome } from '@streamline/wire/contracts/generated/streamline/controller/v1/membership';
import type { MembershipPort } from '@streamline/wire/contracts/ports';
import type { ClusterMachine } from './cluster-machine';
import type { ClusterProcess, ProcessSurroundings } from './cluster-process';
import type { RemovedStaysOut } from './invariants/removed-stays-out';

const ADD_MS = 4_000;
/** Until somebody does something about a node that is not what it should be. */
const NOTICE_MS = 3_000;
/** Chance that whoever has removed a node starts it on its old directory first. */
const SAME_DIRECTORY_CHANCE = 0.4;

export interface OperatorSurroundings {
  readonly all: ProcessSurroundings;
  readonly machines: readonly ClusterMachine[];
  readonly random: SeededRandom;
  readonly members: RemovedStaysOut;
}

/**
 * Adds, removes, demotes and transfers through any node, and follows the runbook: a node that was removed, or that its cluster
 * does not let in, is started again with an empty directory. Sensible as to disks (a majority of the voters that would result has
 * its own), and without regard to anything else that goes on.
 */
export class Operator {
  #asked: ClusterProcess[] = [];
  /** Machines that somebody looks after already, and the process that was asked to, if one was. */
  readonly #minded = new Map<ClusterMachine, ClusterProcess | undefined>();
  isFinishing = false;

  constructor(private readonly around: OperatorSurroundings) {}

  transfer(): void {
    const at = this.#asAsked();
    if (at === undefined) return;
    const nodeId = this.around.random.chance(0.3) ? 0 : this.around.random.pick(this.around.machines).nodeId;
    this.#ask(
      at,
      (port) => port.transferLeadership({ nodeId }),
      ({ outcome }) => {
        if (this.#isRedirect(outcome)) return;
        this.around.all.counters[outcome === MembershipOutcome.DONE ? 'transfersDone' : 'transfersFailed'] += 1;
      },
    );
  }

  changeMembership(): void {
    const { random, machines } = this.around;
    const at = this.#asAsked();
    const machine = random.pick(machines);
    if (at === undefined) return;
    const { members = [], voters = [] } = this.#configuration() ?? {};
    const isMember = members.some(({ id }) => id === machine.id);
    if (!isMember || (!voters.includes(machine.id) && random.chance(0.6))) return this.#add(at, machine, random.chance(0.8));
    if (random.chance(0.2)) this.unregister();
    if (this.#isSensible(machine.id)) this.#remove(at, machine, random.chance(0.3));
  }

  /** As UnregisterBroker, for whichever broker: one that lives registers again. */
  unregister(): void {
    const { random, machines, all } = this.around;
    const process = this.#asAsked();
    if (process === undefined) return;
    const brokerId = random.pick(machines).nodeId;
    const request = { brokerId };
    process.unlessHeld(() => {
      process.member.controller.unregisterBroker(request, { deadlineMs: 3_000 }).then(
        ({ error }) => {
          if (error?.errorCode === 0) all.counters.unregistrations += 1;
        },
        () => undefined,
      );
    });
  }

  /** Whether the cluster can go on for good without this machine's directory, whatever becomes of what is under way. */
  canLose(id: VoterId): boolean {
    this.#asked = this.#asked.filter(({ hasEnded }) => !hasEnded);
    return this.#asked.length === 0 && canLoseDisk(this.around.all.ghost, id, 'may become a voter');
  }

  /** Every member has on its disk where all the others are: of two that move unknown to each other neither finds the other. */
  get areAddressesKnown(): boolean {
    const { all, machines } = this.around;
    const last = all.ghost.committed.findLast(({ entry }) => entry.configuration !== undefined)?.entry;
    const known = [last?.configuration, ...machines.map(({ id }) => this.#onDiskOf(id, last?.configuration))];
    const isWhereItIs = ({ id, address }: Member): boolean => machines.every((one) => one.id !== id || one.address === address);
    // Who has nothing on its disk yet knows nobody.
    return known.every((one) => one !== undefined && one.members.length > 0 && one.members.every(isWhereItIs));
  }

  /** What the member would know of the others if its process ended now; of who is none, what all know. */
  #onDiskOf(id: VoterId, committed: Configuration | undefined): Configuration | undefined {
    const isMember = committed?.members.some((member) => member.id === id) === true;
    return isMember ? this.around.all.ghost.members.get(id)?.durableLog.configuration.configuration : committed;
  }

  /** An empty directory; where there is a cluster, the node is told of the others. */
  wipe(machine: ClusterMachine): void {
    const { all, machines, random } = this.around;
    machine.wipe();
    if (all.ghost.committed.length === 0) return;
    const others = machines.filter((other) => other !== machine).map(({ address }) => address);
    const isAlone = !machine.seeds.some((seed) => this.#isThere(seed, machine));
    if (isAlone || random.chance(0.5)) machine.seeds = others;
  }

  /** Sees to it that every machine becomes what it should be; called over and over. */
  mend(): void {
    // A process that is gone gives no answer.
    for (const [machine, asked] of this.#minded) if (asked?.hasEnded === true) this.#minded.delete(machine);
    for (const machine of this.around.machines) if (!this.#minded.has(machine)) this.#look(machine);
  }

  #look(machine: ClusterMachine): void {
    const { process } = machine;
    if (process === undefined) return this.#later(machine, () => this.#restart(machine));
    if (process.isRemoved) return this.#later(machine, () => this.#rejoin(machine));
    const leader = this.#leader();
    if (leader === undefined || process.isStopping) return;
    const member = leader.opened?.log.members().find(({ nodeId }) => nodeId === machine.nodeId);
    // It was removed before it heard of anybody, or lost whom it had heard of: somebody tells it.
    if (member === undefined && process.opened !== undefined && machine.seeds.every((seed) => !this.#isThere(seed, machine))) {
      return this.#later(machine, () => this.#tellOthers(machine));
    }
    const waits = process.opened === undefined && machine.mode === 'never' && machine.seeds.length === 0;
    // Who was told that the node was let in, and becomes a voter in time, leaves it at that.
    const waitsToBeAdded = waits && member?.directoryId !== machine.directory.id;
    if (!waitsToBeAdded && member?.staysLearner !== true) return;
    this.#minded.set(machine, leader);
    this.#add(leader, machine, true, () => this.#minded.delete(machine));
  }

  #isThere(seed: string, { address: own }: ClusterMachine): boolean {
    return this.around.machines.some(({ address }) => address === seed && address !== own);
  }

  #tellOthers(machine: ClusterMachine): void {
    machine.seeds = this.around.machines.filter((other) => other !== machine).map(({ address }) => address);
    machine.crash('kill');
    machine.start();
  }

  #later(machine: ClusterMachine, run: () => void): void {
    const { random, all } = this.around;
    this.#minded.set(machine, undefined);
    all.events.after(random.next() * NOTICE_MS, () => {
      this.#minded.delete(machine);
      run();
    });
  }

  #restart(machine: ClusterMachine): void {
    if (machine.isUp) return;
    const { members } = this.around;
    const isOut = machine.refusal !== undefined && members.isRemoved(machine.id);
    if (isOut && canLoseDisk(this.around.all.ghost, machine.id)) this.#renew(machine);
    machine.start();
  }

  #rejoin(machine: ClusterMachine): void {
    const { random, all } = this.around;
    if (machine.process?.isRemoved !== true) return;
    if (random.chance(SAME_DIRECTORY_CHANCE)) machine.crash('kill');
    else if (canLoseDisk(all.ghost, machine.id)) {
      this.#renew(machine);
      all.counters.removedRejoins += 1;
    }
    machine.start();
  }

  #renew(machine: ClusterMachine): void {
    machine.crash('kill');
    this.wipe(machine);
  }

  #add(at: ClusterProcess, machine: ClusterMachine, promoteToVoter: boolean, then: () => void = () => undefined): void {
    const { all } = this.around;
    const request = { nodeId: machine.nodeId, address: machine.address, promoteToVoter, directoryId: '' };
    const isWaiting = machine.process?.opened === undefined;
    this.#ask(
      at,
      (port) => port.addMember(request, { deadlineMs: ADD_MS }),
      ({ outcome, reason }) => {
        then();
        if (this.#isRedirect(outcome)) return;
        at.tell(`adds ${machine.nodeId}: ${MembershipOutcome[outcome]} ${reason}`);
        if (outcome === MembershipOutcome.DONE && isWaiting) all.counters.invitations += 1;
      },
      then,
    );
  }

  #remove(at: ClusterProcess, machine: ClusterMachine, keepAsLearner: boolean): void {
    const { all, random } = this.around;
    const request = { nodeId: machine.nodeId, force: random.chance(0.7), directoryId: '', keepAsLearner };
    this.#asked.push(at);
    const over = (): void => {
      this.#asked = this.#asked.filter((process) => process !== at);
    };
    this.#ask(
      at,
      (port) => port.removeMember(request),
      ({ outcome, reason }) => {
        over();
        if (this.#isRedirect(outcome)) return;
        at.tell(`removes ${machine.nodeId}${keepAsLearner ? ' as voter' : ''}: ${MembershipOutcome[outcome]} ${reason}`);
        if (outcome !== MembershipOutcome.DONE) all.counters.removalsRefused += 1;
      },
      over,
    );
  }

  #ask<Answer>(
    at: ClusterProcess,
    ask: (port: MembershipPort) => Promise<Answer>,
    then: (answer: Answer) => void,
    failed: () => void = () => undefined,
  ): void {
    const { all } = this.around;
    at.unlessHeld(() => {
      ask(at.member.membership).then(
        (answer) => {
          if (!at.hasEnded) then(answer);
          else failed();
        },
        (error: unknown) => {
          failed();
          // Of a disk that fails the process ends.
          if (!(error instanceof all.code.PortError) && !isDiskFault(error))
            all.broken(error instanceof Violation ? error : new Violation('ports', `an operator is answered ${String(error)}`));
        },
      );
    });
    if (at.hasEnded) failed();
  }

  #isRedirect(outcome: MembershipOutcome): boolean {
    const isRedirect = outcome === MembershipOutcome.NOT_LEADER;
    if (isRedirect) this.around.all.counters.redirects += 1;
    return isRedirect;
  }

  /** Mostly one that leads. */
  #asAsked(): ClusterProcess | undefined {
    const { random, machines } = this.around;
    const up = machines.flatMap(({ process }) => (process?.opened === undefined ? [] : [process]));
    if (up.length === 0) return undefined;
    return random.chance(0.15) ? random.pick(up) : (this.#leader() ?? random.pick(up));
  }

  #leader(): ClusterProcess | undefined {
    return this.around.machines.find(({ process }) => process?.leads === true)?.process;
  }

  #configuration() {
    return this.#leader()?.status?.configuration.configuration;
  }

  #isSensible(removed: VoterId): boolean {
    const { ghost } = this.around.all;
    const voters = this.#configuration()?.voters.filter((id) => id !== removed) ?? [];
    const intact = voters.filter((id) => ghost.members.get(id)?.isIntact === true);
    return 2 * intact.length > voters.length && canLoseDisk(ghost, removed);
  }
}
