import type { MembershipChange } from '@streamline/core/raft/inputs';
import type { VoterId } from '@streamline/core/raft/types';
import type { MembershipReply, TransferReply } from '../raft/raft-driver';
import type { LogMember, LogStatus } from './metadata-log';

/** Who takes part in the consensus, to look at and to change. */
export interface ConsensusMembership {
  readonly status: LogStatus;
  /** This node leads and has applied everything that was committed before its term. */
  readonly leads: boolean;
  /** A change of the membership is under way: what `members` says may still be undone. */
  readonly isChanging: boolean;
  /** Voters first, each kind by node id. */
  members(): readonly LogMember[];
  /** At the leader; see `MembershipReply`. */
  changeMembership(changes: readonly MembershipChange[], deadlineMs: number): Promise<MembershipReply>;
  /** At the leader; without a target to the voter that is furthest. */
  transferLeadership(to: VoterId | undefined, deadlineMs: number): Promise<TransferReply>;
  /** See MetadataLog. */
  confirmLeadership(deadlineMs: number): Promise<boolean>;
}
