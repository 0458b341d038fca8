import * as z from 'zod/mini';
import { clusterStatusBody, errorBody, healthBody, infoBody, livenessBody, membersBody } from '../bodies';

/** A JSON schema, as far as the page needs to know it. */
export interface JsonSchema {
  readonly type?: string | readonly string[];
  readonly description?: string;
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly required?: readonly string[];
  readonly items?: JsonSchema;
  readonly anyOf?: readonly JsonSchema[];
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly $ref?: string;
}

export interface ResponseDoc {
  readonly description: string;
  readonly content?: Readonly<Record<string, { readonly schema: JsonSchema; readonly example?: unknown }>>;
}

export interface OperationDoc {
  readonly operationId: string;
  readonly tags: readonly string[];
  readonly summary: string;
  readonly description: string;
  readonly responses: Readonly<Record<string, ResponseDoc>>;
}

export interface OpenApiDocument {
  readonly openapi: '3.1.0';
  readonly info: { readonly title: string; readonly version: string; readonly description: string };
  readonly tags: readonly { readonly name: string; readonly description: string }[];
  readonly paths: Readonly<Record<string, { readonly get: OperationDoc }>>;
  readonly components: { readonly schemas: Readonly<Record<string, JsonSchema>> };
}

const SCHEMAS = {
  Error: errorBody,
  ClusterStatus: clusterStatusBody,
  Members: membersBody,
  Health: healthBody,
  Liveness: livenessBody,
  Info: infoBody,
} as const;

type SchemaName = keyof typeof SCHEMAS;

function schemaOf(name: SchemaName): JsonSchema {
  const { $schema: _, ...schema } = z.toJSONSchema(SCHEMAS[name], {
    override: ({ jsonSchema }) => {
      // The bounds of a double's whole numbers say nothing to a reader.
      if (jsonSchema.maximum === Number.MAX_SAFE_INTEGER) delete jsonSchema.maximum;
      if (jsonSchema.minimum === Number.MIN_SAFE_INTEGER) delete jsonSchema.minimum;
    },
  });
  return schema as JsonSchema;
}

function json(description: string, name: SchemaName, example?: unknown): ResponseDoc {
  const schema = { $ref: `#/components/schemas/${name}` };
  return { description, content: { 'application/json': example === undefined ? { schema } : { schema, example } } };
}

function plain(description: string, type: string): ResponseDoc {
  return { description, content: { [type]: { schema: { type: 'string' } } } };
}

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

const PATHS: OpenApiDocument['paths'] = {
  '/health/live': {
    get: {
      operationId: 'getLiveness',
      tags: ['health'],
      summary: 'Liveness probe',
      description: 'Answers as long as the process does. For liveness probes: a node that is not ready is not to be killed.',
      responses: { 200: json('The process answers.', 'Liveness', { live: true }) },
    },
  },
  '/health/ready': {
    get: {
      operationId: 'getReadiness',
      tags: ['health'],
      summary: 'Readiness probe',
      description:
        'Looks at every role of the node now: storage can be written, the log is replayed, the listener is open. For readiness probes.',
      responses: {
        200: json('All roles can do their work.', 'Health'),
        503: json('Some check fails; the body says which.', 'Health'),
      },
    },
  },
  '/health': {
    get: {
      operationId: 'getHealth',
      tags: ['health'],
      summary: 'Liveness and readiness with all checks',
      description: 'The same answer as /health/ready.',
      responses: { 200: json('Ready.', 'Health'), 503: json('Not ready.', 'Health') },
    },
  },
  '/metrics': {
    get: {
      operationId: 'getMetrics',
      tags: ['health'],
      summary: 'Metrics for Prometheus',
      description: 'All metrics of all processes of this node, named streamline_*.',
      responses: { 200: plain("Prometheus' text format, version 0.0.4.", 'text/plain') },
    },
  },
  '/api/v1/cluster/status': {
    get: {
      operationId: 'getClusterStatus',
      tags: ['cluster'],
      summary: 'Raft state, leader, log indices and overall health',
      description: 'As this node sees the cluster. The body is the same whether it is healthy or not; what is not known is null.',
      responses: {
        200: json('Healthy.', 'ClusterStatus', STATUS_EXAMPLE),
        503: json('Not healthy; health_reason says why.', 'ClusterStatus'),
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
  },
  '/info': {
    get: {
      operationId: 'getInfo',
      tags: ['node'],
      summary: 'What runs here',
      description: 'Version, cluster, node and start of this process.',
      responses: { 200: json('This process.', 'Info') },
    },
  },
  '/docs': {
    get: {
      operationId: 'getDocsPage',
      tags: ['node'],
      summary: 'This API as a page to read',
      description: 'Needs nothing from elsewhere: works offline and without scripts.',
      responses: { 200: plain('The page.', 'text/html') },
    },
  },
  '/docs/openapi.json': {
    get: {
      operationId: 'getOpenApi',
      tags: ['node'],
      summary: 'This API as an OpenAPI 3.1 document',
      description: 'For tools.',
      responses: { 200: { description: 'The document.', content: { 'application/json': { schema: { type: 'object' } } } } },
    },
  },
};

/** Made when first asked for: schemas are the ones that the answers are typed by. */
export function openApiDocument(version: string): OpenApiDocument {
  const names = Object.keys(SCHEMAS) as SchemaName[];
  return {
    openapi: '3.1.0',
    info: {
      title: 'Streamline admin API',
      version,
      description:
        'What operators ask of a node, on --http-addr (port 9094). Errors are {"error": "..."} with a fitting status: 404 for a path that is not here, 405 for a method that a path does not take.',
    },
    tags: [
      { name: 'health', description: 'For probes and monitoring.' },
      { name: 'cluster', description: 'The cluster as this node sees it.' },
      { name: 'node', description: 'This process.' },
    ],
    paths: PATHS,
    components: { schemas: Object.fromEntries(names.map((name) => [name, schemaOf(name)])) },
  };
}

/** The methods that a path takes; undefined for a path that is not here. */
export function methodsOf(path: string): readonly string[] | undefined {
  return Object.hasOwn(PATHS, path) ? ['GET', 'HEAD'] : undefined;
}
