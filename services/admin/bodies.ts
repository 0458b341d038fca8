import * as z from 'zod/mini';

/** The JSON of the HTTP API: types of the answers, their checks in tests, and the schemas of /docs/openapi.json. */

const NODE_STATES = ['Leader', 'Follower', 'Candidate', 'Learner', 'Shutdown'] as const;
const BROKER_STATES = ['Starting', 'Running', 'ShuttingDown', 'Dead', 'Unknown'] as const;

export const nodeId = z.int().check(z.minimum(1));
const logIndex = z.int().check(z.minimum(0));
const text = z.string();

export const errorBody = z.strictObject({
  error: text.check(z.describe('What is wrong, in a sentence.')),
  field: z.optional(text).check(z.describe('What of the request is at fault.')),
});

export const clusterStatusBody = z.strictObject({
  node_state: z
    .nullable(z.enum(NODE_STATES))
    .check(z.describe('Raft role of this node; null where its controller does not answer.')),
  node_id: nodeId,
  leader_id: z.nullable(nodeId).check(z.describe('The Raft leader, which is the cluster controller; null when there is none.')),
  committed_log_index: z
    .nullable(logIndex)
    .check(z.describe('Last entry of the metadata log known to be committed; null where unknown.')),
  applied_log_index: z.nullable(logIndex).check(z.describe('Last entry applied to the state machine; null where unknown.')),
  current_term: z.nullable(logIndex).check(z.describe('Raft term; null where unknown.')),
  voters: z.array(nodeId).check(z.describe('Voting members, ascending.')),
  learners: z.array(nodeId).check(z.describe('Members that receive the log without a vote, ascending.')),
  healthy: z.boolean(),
  health_reason: text.check(z.describe('Why this node is healthy or not.')),
});

export const memberBody = z.strictObject({
  node_id: nodeId,
  raft_addr: z.nullable(text).check(z.describe('Inter-broker address; null where it is not known.')),
  role: z.enum(['voter', 'learner']),
  is_leader: z.boolean(),
  broker_state: z.enum(BROKER_STATES),
  advertised_addr: z.nullable(text).check(z.describe('Address for Kafka clients; null where the node never registered.')),
});

export const membersBody = z.strictObject({
  members: z.array(memberBody).check(z.describe('Voters first, each kind by node id.')),
  total: z.int().check(z.minimum(0)),
  leader_id: z.nullable(nodeId),
});

const check = z.strictObject({
  role: z.enum(['controller', 'storage', 'gateway', 'admin']),
  name: text.check(z.describe('What was looked at.')),
  ok: z.boolean(),
  reason: text.check(z.describe('Why not; empty when ok.')),
});

export const healthBody = z.strictObject({
  live: z.boolean().check(z.describe('The process answers.')),
  ready: z.boolean().check(z.describe('All roles of the node can do their work now.')),
  checks: z.array(check),
});

export const livenessBody = z.strictObject({ live: z.literal(true) });

export const infoBody = z.strictObject({
  name: z.literal('streamline'),
  version: text,
  cluster_id: z.nullable(text).check(z.describe('22 characters; null until the node belongs to a cluster.')),
  node_id: nodeId,
  roles: z.array(text).check(z.describe('Roles of this process.')),
  node_version: text.check(z.describe('Version of Node.js.')),
  started_at_ms: z.int().check(z.describe('When the process started, in milliseconds since 1970.')),
  uptime_ms: z.int(),
});

export type ErrorBody = z.infer<typeof errorBody>;
export type ClusterStatusBody = z.infer<typeof clusterStatusBody>;
export type MemberBody = z.infer<typeof memberBody>;
export type MembersBody = z.infer<typeof membersBody>;
export type HealthBody = z.infer<typeof healthBody>;
export type HealthCheckBody = z.infer<typeof check>;
export type InfoBody = z.infer<typeof infoBody>;
