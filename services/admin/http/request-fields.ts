import { nearestKey } from '@streamline/platform/config/nearest-key';
import type * as z from 'zod/mini';
import { isNodeId, NODE_ID_EXPECTED, RAFT_ADDR_EXPECTED } from '../membership-commands';
import { RequestError } from './request-error';

/** What each field of a request has to be, for who sent something else. */
const EXPECTED: Readonly<Record<string, string>> = {
  node_id: NODE_ID_EXPECTED,
  raft_addr: RAFT_ADDR_EXPECTED,
  promote_to_voter: 'true or false',
};

function unknownName(status: 400 | 422, kind: string, name: string, known: readonly string[]): RequestError {
  const nearest = nearestKey(name, known);
  const hint = nearest === undefined ? `there are ${known.join(', ')}` : `did you mean ${nearest}?`;
  return new RequestError(status, name, `${name} is no ${kind} of this request; ${hint}`);
}

/** A body as its schema has it, or a RequestError that names the first field at fault and what it has to be. */
export function readBody<Shape extends z.core.$ZodShape>(schema: z.ZodMiniObject<Shape>, body: unknown): z.infer<typeof schema> {
  const known = Object.keys(schema.shape);
  if (typeof body !== 'object' || body === null || Array.isArray(body)) {
    throw new RequestError(400, 'body', `The body must be a JSON object with ${known.join(', ')}`);
  }
  const result = schema.safeParse(body);
  if (result.success) return result.data;
  const stray = Object.keys(body).find((key) => !known.includes(key));
  if (stray !== undefined) throw unknownName(422, 'field', stray, known);
  const field = String(result.error.issues[0]?.path[0] ?? 'body');
  const problem = Object.hasOwn(body, field) ? 'must be' : 'is missing; it must be';
  throw new RequestError(422, field, `${field} ${problem} ${EXPECTED[field] ?? 'something else'}`);
}

/** The node id of a path. */
export function readNodeId(text: string): number {
  const nodeId = /^[0-9]{1,10}$/.test(text) ? Number(text) : 0;
  if (!isNodeId(nodeId)) throw new RequestError(400, 'node_id', `"${text}" is no node id; node_id must be ${NODE_ID_EXPECTED}`);
  return nodeId;
}

/** The switches behind the "?": absent is false. An unknown one is refused, since it may be a known one spelt wrong. */
export function readSwitches<Name extends string>(known: readonly Name[], query: unknown): Readonly<Record<Name, boolean>> {
  const given = new Map<string, unknown>(Object.entries(query ?? {}));
  for (const [name, value] of given) {
    if (!known.some((one) => one === name)) throw unknownName(400, 'parameter', name, known);
    if (value !== 'true' && value !== 'false') throw new RequestError(400, name, `${name} must be true or false`);
  }
  return Object.fromEntries(known.map((name) => [name, given.get(name) === 'true'])) as Record<Name, boolean>;
}
