import { ErrorCode } from '@streamline/core/types/error-code';
import { MembershipOutcome } from '@streamline/wire/contracts/generated/streamline/controller/v1/membership';
import type { CallContext } from '@streamline/wire/contracts/port';
import { PortError } from '@streamline/wire/contracts/port-error';
import type { ControllerPort, MembershipPort } from '@streamline/wire/contracts/ports';
import { KafkaError } from './kafka-error';

/** What Kafka's tools call the listener where controllers reach each other: here the inter-broker listener. */
export const CONTROLLER_LISTENER = 'CONTROLLER';

/** Changes of the voters, made wherever the leader is. */
export type VoterCommands = Pick<MembershipPort, 'addMember' | 'removeMember' | 'transferLeadership'>;

/** A connection to the controller at an address, for one command. */
export interface MembershipConnection {
  readonly port: VoterCommands;
  close(): void;
}

export interface MembershipAtLeaderOptions {
  readonly controller: Pick<ControllerPort, 'getQuorumStatus'>;
  readonly connect: (address: string) => MembershipConnection;
}

/** Asks the leader, wherever it is: nobody else can change the voters. */
export class MembershipAtLeader implements VoterCommands {
  constructor(private readonly options: MembershipAtLeaderOptions) {}

  addMember(...[request, context]: Parameters<VoterCommands['addMember']>): ReturnType<VoterCommands['addMember']> {
    return this.ask(context, (port) => port.addMember(request, context));
  }

  removeMember(...[request, context]: Parameters<VoterCommands['removeMember']>): ReturnType<VoterCommands['removeMember']> {
    return this.ask(context, (port) => port.removeMember(request, context));
  }

  transferLeadership(
    ...[request, context]: Parameters<VoterCommands['transferLeadership']>
  ): ReturnType<VoterCommands['transferLeadership']> {
    return this.ask(context, (port) => port.transferLeadership(request, context));
  }

  private async ask<Answer>(
    context: CallContext | undefined,
    command: (port: VoterCommands) => Promise<Answer>,
  ): Promise<Answer> {
    const { controller, connect } = this.options;
    const { members, leaderId } = await controller.getQuorumStatus({ ofLeader: true }, context);
    const address = members.find(({ nodeId }) => nodeId === leaderId)?.address ?? '';
    if (address === '') throw new PortError('unavailable', 'no leader is elected, or nobody knows its address');
    const connection = connect(address);
    try {
      return await command(connection.port);
    } finally {
      connection.close();
    }
  }
}

const CODES: ReadonlyMap<MembershipOutcome, ErrorCode> = new Map<MembershipOutcome, ErrorCode>([
  [MembershipOutcome.DONE, ErrorCode.NONE],
  [MembershipOutcome.UNDER_WAY, ErrorCode.REQUEST_TIMED_OUT],
  [MembershipOutcome.NOT_LEADER, ErrorCode.NOT_CONTROLLER],
  [MembershipOutcome.OTHER_CLUSTER, ErrorCode.INCONSISTENT_CLUSTER_ID],
  [MembershipOutcome.NOT_PROMOTED, ErrorCode.REQUEST_TIMED_OUT],
  [MembershipOutcome.NOT_A_MEMBER, ErrorCode.VOTER_NOT_FOUND],
  [MembershipOutcome.FAILED, ErrorCode.REQUEST_TIMED_OUT],
  [MembershipOutcome.INVALID, ErrorCode.INVALID_REQUEST],
]);

/** An outcome as Kafka's voter APIs tell it: what may be tried again by a code that is retriable. */
export function voterOutcome({ outcome, reason }: { readonly outcome: MembershipOutcome; readonly reason: string }) {
  const errorCode = CODES.get(outcome) ?? ErrorCode.UNKNOWN_SERVER_ERROR;
  return { throttleTimeMs: 0, errorCode, errorMessage: errorCode === ErrorCode.NONE ? null : reason };
}

/** What both voter APIs check before anything is asked of anybody. */
export function checkVoterRequest(ownClusterId: string | undefined, clusterId: string | null, voterId: number): void {
  if (ownClusterId === undefined) throw new PortError('unavailable', 'this node is not part of a cluster yet');
  if (clusterId !== null && clusterId !== ownClusterId) {
    throw new KafkaError(ErrorCode.INCONSISTENT_CLUSTER_ID, `this is cluster ${ownClusterId}, not ${clusterId}`);
  }
  if (voterId < 1) throw new KafkaError(ErrorCode.INVALID_REQUEST, `a voter's id is a number above 0, not ${voterId}`);
}
