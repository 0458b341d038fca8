import * as z from 'zod/mini';
import { clusterStatusBody, errorBody, healthBody, infoBody, livenessBody, membersBody } from '../bodies';
import * as membership from '../membership-bodies';
import { CLUSTER_PATHS } from './cluster-paths';
import { HEALTH_PATHS, NODE_PATHS } from './node-paths';
import { type JsonSchema, METHODS, type PathDocs } from './operation';

export interface OpenApiDocument {
  readonly openapi: '3.1.0';
  readonly info: { readonly title: string; readonly version: string; readonly description: string };
  readonly tags: readonly { readonly name: string; readonly description: string }[];
  readonly paths: PathDocs;
  readonly components: { readonly schemas: Readonly<Record<string, JsonSchema>> };
}

/** The schemas that the answers are typed by. */
export const SCHEMAS: Readonly<Record<string, z.ZodMiniObject>> = {
  Error: errorBody,
  ClusterStatus: clusterStatusBody,
  Members: membersBody,
  AddMember: membership.addMemberRequest,
  MemberAdded: membership.memberAddedBody,
  MemberAdding: membership.memberAddingBody,
  MemberNotPromoted: membership.memberNotPromotedBody,
  MemberRemoved: membership.memberRemovedBody,
  MemberRemoving: membership.memberRemovingBody,
  TransferLeadership: membership.transferLeadershipRequest,
  Leadership: membership.leadershipBody,
  NotLeader: membership.notLeaderBody,
  Health: healthBody,
  Liveness: livenessBody,
  Info: infoBody,
};

function jsonSchema(schema: z.ZodMiniObject): JsonSchema {
  const { $schema: _, ...described } = z.toJSONSchema(schema, {
    override: ({ jsonSchema: made }) => {
      // The bounds of a double's whole numbers say nothing to a reader.
      if (made.maximum === Number.MAX_SAFE_INTEGER) delete made.maximum;
      if (made.minimum === Number.MIN_SAFE_INTEGER) delete made.minimum;
    },
  });
  return described as JsonSchema;
}

const PATHS: PathDocs = { ...HEALTH_PATHS, ...CLUSTER_PATHS, ...NODE_PATHS };

/** Made when first asked for. */
export function openApiDocument(version: string): OpenApiDocument {
  return {
    openapi: '3.1.0',
    info: {
      title: 'Streamline admin API',
      version,
      description:
        'What operators ask of a node, on --http-addr (port 9094). Errors are {"error": "..."} with a fitting status, and with "field" where one thing of the request is at fault: 404 for a path that is not here, 405 for a method that a path does not take.',
    },
    tags: [
      { name: 'health', description: 'For probes and monitoring.' },
      { name: 'cluster', description: 'The cluster as this node sees it, and changes of its membership.' },
      { name: 'node', description: 'This process.' },
    ],
    paths: PATHS,
    components: { schemas: Object.fromEntries(Object.entries(SCHEMAS).map(([name, schema]) => [name, jsonSchema(schema)])) },
  };
}

const PATH_PATTERNS = Object.keys(PATHS).map((path) => ({
  path,
  pattern: new RegExp(`^${path.replace(/\{\w+\}/g, '[^/]+')}/?$`),
}));

/** The methods that a path takes; undefined for a path that is not here. */
export function methodsOf(path: string): readonly string[] | undefined {
  const found = PATH_PATTERNS.find(({ pattern }) => pattern.test(path));
  const doc = found && PATHS[found.path];
  return (
    doc &&
    METHODS.flatMap((method) => (doc[method] === undefined ? [] : method === 'get' ? ['GET', 'HEAD'] : method.toUpperCase()))
  );
}
