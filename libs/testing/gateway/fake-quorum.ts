import type {
  GetQuorumStatusResponse,
  MemberProgress,
} from '@streamline/wire/contracts/generated/streamline/controller/v1/controller';
import { CLUSTER_ID } from './fake-metadata';

/** A member with everything that the leader has, heard of just now. */
export function fakeMember(nodeId: number, rest: Partial<MemberProgress> = {}): MemberProgress {
  return {
    nodeId,
    directoryId: `d1rectory${nodeId}`.padEnd(21, 'x') + 'A',
    address: `node${nodeId}:9093`,
    isVoter: true,
    staysLearner: false,
    logEndIndex: 50,
    silentMs: 0,
    ...rest,
  };
}

/** A quorum as its leader, node 1, sees it. */
export function fakeQuorum(members: readonly MemberProgress[] = [fakeMember(1)]): GetQuorumStatusResponse {
  const ids = (isVoter: boolean): number[] => members.filter((one) => one.isVoter === isVoter).map(({ nodeId }) => nodeId);
  return {
    nodeState: 'Leader',
    nodeId: 1,
    leaderId: 1,
    committedLogIndex: 49,
    appliedLogIndex: 49,
    currentTerm: 7,
    voters: ids(true),
    learners: ids(false),
    clusterId: CLUSTER_ID,
    members: [...members],
    formationNote: '',
  };
}
