import type { NodeId } from '@streamline/core/types/ids';
import { FormationRefusedError } from './formation';

/** Where a node that has no place in the cluster any more finds it: addresses of members, host:port. */
export interface WayBack {
  readonly nodeId: NodeId;
  readonly memberAddresses: readonly string[];
  /** What an operator has to do, where these are members; in it is the command. */
  readonly remedy: (memberAddresses: readonly string[]) => string;
}

/** The cluster has removed this node. */
export function removed(way: WayBack): FormationRefusedError {
  return new FormationRefusedError('Node was removed from the cluster', remedyOf(way));
}

/** The cluster was recovered from the loss of its majority, of which this node was a part. */
export function leftOut(way: WayBack): FormationRefusedError {
  const problem = 'Node was left out when its cluster was recovered from the loss of a majority';
  return new FormationRefusedError(problem, remedyOf(way));
}

/** Another cluster counts on a node with this one's id and another disk. */
export function replaced(way: WayBack & { readonly clusterId: string; readonly ownClusterId: string }): FormationRefusedError {
  const { clusterId, ownClusterId, nodeId } = way;
  const problem = `Node ${nodeId} is a member of cluster ${clusterId} with another data directory, which was lost, and has begun cluster ${ownClusterId} of its own on this one`;
  return new FormationRefusedError(problem, `What was written to cluster ${ownClusterId} is in no other. ${remedyOf(way)}`);
}

/** It is a member, but must not run as it was started. */
export function refusedMember(reason: string): FormationRefusedError {
  return new FormationRefusedError(`the cluster does not take this node as it is: ${reason}`, 'Do that, then start it again.');
}

/** Another process runs as this node on the same data, and is the one that others reach. */
export function copied(nodeId: NodeId, address: string): FormationRefusedError {
  const problem = `another process runs as node ${nodeId} on a copy of its data directory, and answers at the address that both advertise, ${address}`;
  const remedy =
    'Stop one of the two, and never start a copy of a directory beside the original: give the other one an empty --data-dir, a --cluster-node-id and an --advertised-addr of its own.';
  return new FormationRefusedError(problem, remedy);
}

/** What operators read, as a health reason and in answers to other nodes. */
export function noteOf({ message, remedy }: FormationRefusedError): string {
  return `${message}. ${remedy}`;
}

/** Of which that is the note: no problem has a full stop in it. */
export function refusalOf(note: string): FormationRefusedError {
  const end = note.indexOf('. ');
  return end < 0 ? new FormationRefusedError(note, '') : new FormationRefusedError(note.slice(0, end), note.slice(end + 2));
}

/** Every cluster lets in a node without data, under its old id too. */
function remedyOf({ remedy, memberAddresses }: WayBack): string {
  return remedy(memberAddresses);
}
