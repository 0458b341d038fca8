import type { ClusterId, DirectoryId, NodeId } from '../types/ids';

/** `never`: this node does not begin a cluster, whatever it finds. */
export type BootstrapMode = 'auto' | 'never';

/** What a node without data is told about itself. */
export interface FormationInit {
  readonly nodeId: NodeId;
  readonly directoryId: DirectoryId;
  /** New at each start of the process. */
  readonly incarnationId: string;
  /** Where others reach it, host:port. */
  readonly ownAddress: string;
  readonly mode: BootstrapMode;
  /** In the order in which they were given; the first one matters. */
  readonly seeds: readonly string[];
}

/** What answered at an address. */
export interface NodeDescription {
  readonly nodeId: NodeId;
  readonly directoryId: DirectoryId;
  readonly incarnationId: string;
  /** It is part of a cluster. */
  readonly isMember: boolean;
  /** Undefined: it belongs to no cluster yet, or does not know yet to which: it has just begun one. */
  readonly clusterId: ClusterId | undefined;
  readonly memberAddresses: readonly string[];
  /** It has no cluster, and may begin one as far as it knows (`mayBootstrap`). */
  readonly mayBootstrap: boolean;
}

/** The newest answer of each address that was asked; without one, why there is none. */
export type SeedAnswer =
  { readonly kind: 'described'; readonly node: NodeDescription } | { readonly kind: 'silent'; readonly reason: string };

/** An operator's word through a member of the cluster. */
export interface Invitation {
  readonly clusterId: ClusterId;
  readonly memberAddresses: readonly string[];
  readonly promoteToVoter: boolean;
}

/** What a node without data does next. */
export type FormationStep =
  | { readonly kind: 'bootstrap' }
  | {
      readonly kind: 'join';
      readonly clusterId: ClusterId;
      readonly addresses: readonly string[];
      readonly promoteToVoter: boolean;
    }
  /** `note` says for whom or what, for the log and the health check. */
  | { readonly kind: 'wait'; readonly note: string }
  /** Somebody has to do something about it: the process ends with it. */
  | { readonly kind: 'refuse'; readonly problem: string; readonly remedy: string };

/**
 * Decides what becomes of a node without data, so that there are never two clusters:
 * - FORM-1 who is invited, or finds a seed that belongs to a cluster, joins that one;
 * - FORM-2 without other seeds than itself, it bootstraps;
 * - FORM-3 the first of the seeds bootstraps, but only once every other one has answered that it belongs to no cluster; where
 *   lists differ and several take themselves for the first, the lowest node id does;
 * - FORM-4 everybody else waits, and `never` bootstraps nothing;
 * - FORM-5 seeds of two clusters, or another live node of the same id among them, are for an operator to sort out.
 */
export function nextFormationStep(
  init: FormationInit,
  answers: ReadonlyMap<string, SeedAnswer>,
  invitation: Invitation | undefined,
): FormationStep {
  const { mode, seeds } = init;
  const others = seeds.filter((seed) => !isOwn(init, seed, answers.get(seed)));
  const found = others.flatMap((seed) => described(answers.get(seed)));
  const impostor = found.find(({ nodeId }) => nodeId === init.nodeId);
  if (impostor !== undefined) return refuseImpostor(init, impostor);
  const clusters = [...new Set(found.flatMap(({ clusterId }) => clusterId ?? []))];
  const [clusterId, secondId] = clusters;
  if (secondId !== undefined) return refuseTwoClusters(clusters);
  const inIt = others.filter((seed) => described(answers.get(seed)).some((node) => node.clusterId !== undefined));
  const addresses = [...inIt, ...found.flatMap(({ memberAddresses }) => memberAddresses)];
  if (invitation !== undefined) return joinInvited(invitation, clusterId, addresses);
  if (clusterId !== undefined) return { kind: 'join', clusterId, addresses: [...new Set(addresses)], promoteToVoter: true };
  if (mode === 'never' && seeds.length === 0) {
    return { kind: 'wait', note: 'waiting to be added to a cluster: POST /api/v1/cluster/members at its leader' };
  }
  if (mode === 'auto' && others.length === 0) return { kind: 'bootstrap' };
  const isFirst = seeds[0] !== undefined && !others.includes(seeds[0]);
  const areAllOutside = others.every((seed) => described(answers.get(seed)).some((node) => !node.isMember));
  const rivals = found.filter((node) => node.mayBootstrap && node.nodeId < init.nodeId);
  if (mode === 'auto' && isFirst && areAllOutside && rivals.length === 0) return { kind: 'bootstrap' };
  return { kind: 'wait', note: waitingFor(init, isFirst, others, answers) };
}

/** Whether a node without data may still come to begin a cluster: it is the first of its seeds, or does not know yet that it isn't. */
export function mayBootstrap(init: FormationInit, answers: ReadonlyMap<string, SeedAnswer>): boolean {
  const [first] = init.seeds;
  if (init.mode === 'never') return false;
  if (first === undefined) return true;
  const answer = answers.get(first);
  return isOwn(init, first, answer) || answer?.kind !== 'described';
}

/** A seed list may name the node itself: by the address that it advertises, or by one behind which it finds itself. */
function isOwn({ ownAddress, incarnationId }: FormationInit, seed: string, answer: SeedAnswer | undefined): boolean {
  return seed === ownAddress || described(answer).some((node) => node.incarnationId === incarnationId);
}

function described(answer: SeedAnswer | undefined): readonly NodeDescription[] {
  return answer?.kind === 'described' ? [answer.node] : [];
}

/** What the invitation names may have moved since; what answers now has not. */
function joinInvited(
  { clusterId, memberAddresses, promoteToVoter }: Invitation,
  found: ClusterId | undefined,
  answered: readonly string[],
): FormationStep {
  if (found !== undefined && found !== clusterId) return refuseTwoClusters([found, clusterId]);
  return { kind: 'join', clusterId, addresses: [...new Set([...answered, ...memberAddresses])], promoteToVoter };
}

function refuseImpostor({ nodeId, directoryId }: FormationInit, other: NodeDescription): FormationStep {
  if (other.directoryId === directoryId) {
    return {
      kind: 'refuse',
      problem: `the data directory (${directoryId}) is a copy of the one that a running node ${nodeId} uses`,
      remedy: 'Give this node an empty --data-dir and a --cluster-node-id of its own.',
    };
  }
  return {
    kind: 'refuse',
    problem: `a seed node is a running node with this node's own id, ${nodeId}`,
    remedy: 'Give each node a --cluster-node-id of its own.',
  };
}

function refuseTwoClusters(clusters: readonly ClusterId[]): FormationStep {
  return {
    kind: 'refuse',
    problem: `the seed nodes belong to different clusters: ${clusters.join(' and ')}`,
    remedy: 'Name members of one cluster with --seed-nodes.',
  };
}

function waitingFor(
  { mode }: FormationInit,
  isFirst: boolean,
  others: readonly string[],
  answers: ReadonlyMap<string, SeedAnswer>,
): string {
  const told = others.map((seed) => {
    const answer = answers.get(seed);
    if (answer === undefined) return `${seed} (not asked yet)`;
    if (answer.kind === 'silent') return `${seed} (${answer.reason})`;
    return answer.node.isMember ? `${seed} (begins a cluster)` : `${seed} (belongs to no cluster yet)`;
  });
  if (mode === 'never' && others.length === 0)
    return 'waiting to be added to a cluster: POST /api/v1/cluster/members at its leader';
  if (mode === 'auto' && isFirst) {
    return `waiting for every seed node to say that it belongs to no cluster, to begin one: ${told.join(', ')}`;
  }
  return `waiting for a seed node that belongs to a cluster: ${told.join(', ')}`;
}
