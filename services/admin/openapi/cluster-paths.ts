import { json, type ParameterDoc, type PathDocs, requestBody, type ResponseDoc } from './operation';

const STATUS_EXAMPLE = {
  node_state: 'Leader',
  node_id: 1,
  leader_id: 1,
  committed_log_index: 42,
  applied_log_index: 42,
  current_term: 3,
  voters: [1, 2, 3],
  learners: [],
  healthy: true,
  health_reason: 'Node is a healthy voting member with an elected leader',
};

const UNHEALTHY_EXAMPLE = {
  ...STATUS_EXAMPLE,
  node_state: 'Candidate',
  leader_id: null,
  healthy: false,
  health_reason: 'No leader elected — cluster may be starting or partitioned',
};

const MEMBERS_EXAMPLE = {
  members: [
    {
      node_id: 1,
      raft_addr: '192.168.1.1:9093',
      role: 'voter',
      is_leader: true,
      broker_state: 'Running',
      advertised_addr: '192.168.1.1:9092',
    },
  ],
  total: 1,
  leader_id: 1,
};

const FORWARD: ParameterDoc = {
  name: 'forward',
  in: 'query',
  required: false,
  description: 'true: a node that does not lead asks the leader itself, instead of answering 409.',
  schema: { type: 'boolean' },
};

const NOT_LEADER_EXAMPLE = { error: 'This node is not the leader', leader_id: 2 };

/** What any request with a body may be answered. */
const BODY_ERRORS: Readonly<Record<string, ResponseDoc>> = {
  400: json('The body is not JSON, or there is no such parameter.', 'Error', {
    error: 'The body is not valid JSON',
    field: 'body',
  }),
  413: json('The body is too large.', 'Error'),
  415: json('The body is said to be something else than JSON.', 'Error', {
    error: 'The body must be JSON: send it with Content-Type: application/json',
    field: 'Content-Type',
  }),
};

const STATUS_AND_MEMBERS: PathDocs = {
  '/api/v1/cluster/status': {
    get: {
      operationId: 'getClusterStatus',
      tags: ['cluster'],
      summary: 'Raft state, leader, log indices and overall health',
      description:
        'As this node sees the cluster. The body is the same whether it is healthy or not; what is not known is null. Answers within a second or so, whatever hangs.',
      responses: {
        200: json('Healthy.', 'ClusterStatus', STATUS_EXAMPLE),
        503: json('Not healthy; health_reason says why.', 'ClusterStatus', UNHEALTHY_EXAMPLE),
      },
    },
  },
  '/api/v1/cluster/members': {
    get: {
      operationId: 'listMembers',
      tags: ['cluster'],
      summary: 'Members of the cluster, voters first',
      description: 'Who takes part in the consensus, where it is reached, and the state of its broker.',
      responses: { 200: json('The members.', 'Members', MEMBERS_EXAMPLE), 503: json('The controller does not answer.', 'Error') },
    },
    post: {
      operationId: 'addMember',
      tags: ['cluster'],
      summary: 'Add a member',
      description:
        'Invites the node at an address, makes a learner of it and then a voter. The node waits to be added (--bootstrap never) or seeks the cluster by itself (--seed-nodes). To be sent to the leader. Takes 30 seconds at most.',
      parameters: [FORWARD],
      requestBody: requestBody('AddMember', { node_id: 4, raft_addr: '192.168.1.4:9093', promote_to_voter: true }),
      responses: {
        200: json('A learner, which could not be promoted.', 'MemberNotPromoted', {
          node_id: 4,
          status: 'learner',
          warning: 'Node 4 is not caught up yet',
        }),
        201: json('Added.', 'MemberAdded', { node_id: 4, raft_addr: '192.168.1.4:9093', status: 'voter' }),
        202: json('Still being added.', 'MemberAdding'),
        ...BODY_ERRORS,
        409: json('Not the leader; or the node belongs to a cluster of its own.', ['NotLeader', 'Error'], NOT_LEADER_EXAMPLE),
        422: json('A field is missing, wrong or unknown.', 'Error', {
          error: 'node_id must be a whole number from 1 to 2147483647',
          field: 'node_id',
        }),
        500: json('It failed.', 'Error', { error: 'Failed to add learner: 192.168.1.4:9093 refuses connections' }),
      },
    },
  },
};

const CHANGES: PathDocs = {
  '/api/v1/cluster/members/{node_id}': {
    delete: {
      operationId: 'removeMember',
      tags: ['cluster'],
      summary: 'Remove a member',
      description:
        'Moves away what the node leads and holds, then takes it out of the consensus and out of the metadata. To be sent to the leader. What takes longer than 30 seconds goes on behind the answer: repeat the request to see how far it is.',
      parameters: [
        { name: 'node_id', in: 'path', required: true, description: 'Who is to go.', schema: { type: 'integer' } },
        {
          name: 'force',
          in: 'query',
          required: false,
          description: 'true: also if replicas are lost by it. For a node that is gone for good; the answer says what is lost.',
          schema: { type: 'boolean' },
        },
        FORWARD,
      ],
      responses: {
        200: json('Removed.', 'MemberRemoved', { node_id: 4, status: 'removed' }),
        202: json('Its replicas move to other nodes: to be repeated until it is gone.', 'MemberRemoving', {
          node_id: 4,
          status: 'removing',
          partitions_left: 12,
          partitions_total: 40,
          reason: 'replicas are being moved',
        }),
        400: json('It leads; or what the path names is no node id, or there is no such parameter.', 'Error', {
          error: 'Cannot remove the current leader. Transfer leadership first.',
        }),
        404: json('No member.', 'Error', { error: 'Node 4 is not a member of the cluster' }),
        409: json('Not the leader; or replicas on the node fit nowhere else.', ['NotLeader', 'Error'], NOT_LEADER_EXAMPLE),
        500: json('It failed.', 'Error', { error: 'Failed to remove member: no answer within 30000 ms' }),
      },
    },
  },
  '/api/v1/cluster/leader': {
    post: {
      operationId: 'transferLeadership',
      tags: ['cluster'],
      summary: 'Hand leadership to another voter',
      description: 'Of the consensus, and with it the work of the cluster controller. To be sent to the leader.',
      parameters: [FORWARD],
      requestBody: requestBody('TransferLeadership', { node_id: 2 }),
      responses: {
        200: json('That node leads.', 'Leadership', { node_id: 2, status: 'leader' }),
        ...BODY_ERRORS,
        404: json('No member.', 'Error', { error: 'Node 9 is not a member of the cluster' }),
        409: json('Not the leader.', 'NotLeader', NOT_LEADER_EXAMPLE),
        422: json('A field is wrong or unknown, or the node is no voter.', 'Error'),
        500: json('It failed; the leader leads on.', 'Error'),
      },
    },
  },
};

export const CLUSTER_PATHS: PathDocs = { ...STATUS_AND_MEMBERS, ...CHANGES };
