import * as z from 'zod/mini';
import { nodeId } from './bodies';

/** The JSON of membership commands: what is sent, and each of the answers. */

const text = z.string();
const count = z.int().check(z.minimum(0));
const raftAddr = text.check(z.describe('Inter-broker address of the node, host:port.'));

export const addMemberRequest = z.strictObject({
  node_id: nodeId,
  raft_addr: raftAddr,
  promote_to_voter: z.optional(z.boolean()).check(z.describe('False: the node is to stay a learner. Absent: true.')),
});

export const transferLeadershipRequest = z.strictObject({
  node_id: z.optional(nodeId).check(z.describe('A voter. Absent: the one whose log is furthest.')),
});

export const memberAddedBody = z.strictObject({ node_id: nodeId, raft_addr: text, status: z.enum(['voter', 'learner']) });

export const memberAddingBody = z.strictObject({
  node_id: nodeId,
  raft_addr: text,
  status: z.literal('adding'),
  reason: text.check(z.describe('How far it is. Repeat the request to see more.')),
});

export const memberNotPromotedBody = z.strictObject({
  node_id: nodeId,
  status: z.literal('learner'),
  warning: text.check(z.describe('What keeps the learner from becoming a voter. Repeat the request to try again.')),
});

export const memberRemovedBody = z.strictObject({
  node_id: nodeId,
  status: z.literal('removed'),
  lost_partitions: z
    .optional(z.array(text))
    .check(
      z.describe('Only with force: partitions that may have lost records, since no other replica has all; topic-partition.'),
    ),
});

export const memberRemovingBody = z.strictObject({
  node_id: nodeId,
  status: z.literal('removing'),
  partitions_left: count.check(z.describe('Partitions that are still to be moved away.')),
  partitions_total: count.check(z.describe('All that there were when the present leader was first asked.')),
  reason: text,
});

export const leadershipBody = z.strictObject({ node_id: nodeId, status: z.literal('leader') });

export const notLeaderBody = z.strictObject({
  error: text,
  leader_id: z.nullable(nodeId).check(z.describe('Who leads; null where this node knows nobody.')),
});

export type MemberAddedBody = z.infer<typeof memberAddedBody>;
export type MemberAddingBody = z.infer<typeof memberAddingBody>;
export type MemberNotPromotedBody = z.infer<typeof memberNotPromotedBody>;
export type MemberRemovedBody = z.infer<typeof memberRemovedBody>;
export type MemberRemovingBody = z.infer<typeof memberRemovingBody>;
export type LeadershipBody = z.infer<typeof leadershipBody>;
export type NotLeaderBody = z.infer<typeof notLeaderBody>;
