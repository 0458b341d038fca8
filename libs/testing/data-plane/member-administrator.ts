import type { ClusterMachine } from '@streamline/testing/cluster/cluster-machine';
import type { ClusterProcess } from '@streamline/testing/cluster/cluster-process';
import type { EventQueue } from '@streamline/testing/raft/event-queue';
import { isDiskFault } from '@streamline/testing/raft/shipped-disk';
import { Violation } from '@streamline/testing/raft/violation';
import type { SeededRandom } from '@streamline/testing/time/seeded-random';
import { MembershipOutcome } from '@streamline/wire/contracts/generated/streamline/controller/v1/membership';
import type { MembershipPort } from '@streamline/wire/contracts/ports';
import type { DataCounters } from './counters';

const ADD_MS = 2_000;
/** Until somebody gives a node that was removed an empty directory. */
const NOTICE_MS = 1_000;
const CALL_OFF_CHANCE = 0.2;
const TRANSFER_CHANCE = 0.5;

export interface MemberAdministratorSurroundings {
  readonly random: SeededRandom;
  readonly counters: DataCounters;
  readonly events: EventQueue;
  readonly machines: readonly ClusterMachine[];
  /** The consensus can go on without this machine's directory. */
  canLose(machine: ClusterMachine): boolean;
  /** By the committed configuration. */
  isMember(machine: ClusterMachine): boolean;
  tell(line: () => string): void;
  broken(error: unknown): void;
}

/**
 * Takes nodes out of the cluster, one at a time, as somebody does who repeats the command until the node is gone: its replicas move to
 * others first. Now and then thinks better of it. A node that is gone comes back with an empty directory.
 */
export class MemberAdministrator {
  #leaving: ClusterMachine | undefined;
  readonly #minded = new Set<ClusterMachine>();

  constructor(private readonly all: MemberAdministratorSurroundings) {}

  changeMembers(): void {
    const { random, machines } = this.all;
    if (this.#leaving === undefined) {
      const machine = random.pick(machines);
      if (machines.every((each) => this.all.isMember(each)) && this.all.canLose(machine)) this.#leaving = machine;
    } else if (random.chance(CALL_OFF_CHANCE)) {
      return this.#keep(this.#leaving);
    }
    if (this.#leaving !== undefined) this.#remove(this.#leaving);
  }

  /** Sees to it that nodes that were removed come back; called over and over. */
  mend(): void {
    for (const machine of this.all.machines) if (this.#isOut(machine) && !this.#minded.has(machine)) this.#renewLater(machine);
  }

  #remove(machine: ClusterMachine): void {
    const request = { nodeId: machine.nodeId, force: false, directoryId: '', keepAsLearner: false };
    const goesOn = (outcome: MembershipOutcome): boolean =>
      outcome === MembershipOutcome.UNDER_WAY || outcome === MembershipOutcome.FAILED || outcome === MembershipOutcome.NOT_LEADER;
    this.#ask(
      (port) => port.removeMember(request),
      ({ outcome, reason }, at) => {
        this.all.tell(() => `removing ${machine.nodeId}: ${MembershipOutcome[outcome]} ${reason}`);
        if (outcome === MembershipOutcome.IS_LEADER && this.all.random.chance(TRANSFER_CHANCE)) this.#transfer(at);
        else if (!goesOn(outcome)) this.#leaving = undefined;
      },
    );
  }

  #transfer(from: ClusterProcess): void {
    this.#ask(
      (port) => port.transferLeadership({ nodeId: 0 }),
      ({ outcome }) => this.all.tell(() => `${from.nodeId} hands over: ${MembershipOutcome[outcome]}`),
    );
  }

  #keep(machine: ClusterMachine): void {
    const { nodeId, address } = machine;
    const request = { nodeId, address, promoteToVoter: true, directoryId: machine.directory.id };
    this.#ask(
      (port) => port.addMember(request, { deadlineMs: ADD_MS }),
      ({ outcome, reason }) => {
        this.all.tell(() => `keeping ${nodeId}: ${MembershipOutcome[outcome]} ${reason}`);
        if (outcome !== MembershipOutcome.DONE) return;
        this.all.counters.removalsCalledOff += 1;
        if (this.#leaving === machine) this.#leaving = undefined;
      },
    );
  }

  /** It was told so, or found out at its start. */
  #isOut(machine: ClusterMachine): boolean {
    return (machine.process?.isRemoved === true || machine.refusal !== undefined) && !this.all.isMember(machine);
  }

  #renewLater(machine: ClusterMachine): void {
    const { events, random, machines, counters } = this.all;
    this.#minded.add(machine);
    events.after(random.next() * NOTICE_MS, () => {
      this.#minded.delete(machine);
      if (!this.#isOut(machine) || !this.all.canLose(machine)) return;
      machine.wipe();
      machine.seeds = machines.filter((other) => other !== machine).map(({ address }) => address);
      counters.removedRejoins += 1;
      if (this.#leaving === machine) this.#leaving = undefined;
      machine.start();
    });
  }

  /** Who leads, where somebody does. */
  #ask<Answer>(ask: (port: MembershipPort) => Promise<Answer>, then: (answer: Answer, at: ClusterProcess) => void): void {
    const process = this.all.machines.find(({ process: each }) => each?.leads === true)?.process;
    process?.unlessHeld(() => {
      ask(process.member.membership).then(
        (answer) => {
          if (!process.hasEnded) then(answer, process);
        },
        (error: unknown) => {
          if (process.hasEnded || error instanceof process.all.code.PortError || isDiskFault(error)) return;
          this.all.broken(new Violation('ports', `an administrator of members is answered ${String(error)}`));
        },
      );
    });
  }
}
