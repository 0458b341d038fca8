import type { DirectoryId, NodeId } from '../types/ids';

/** Who a process is. */
export interface ProcessIdentity {
  readonly nodeId: NodeId;
  readonly directoryId: DirectoryId;
  /** New at each start of the process. */
  readonly incarnationId: string;
}

/**
 * - `self`: others reach this process.
 * - `copy`: another process runs as the same node with the same directory, which was copied. One of the two has to end, or both
 *   vote in its name.
 * - `other`: another node; the address is advertised by mistake.
 */
export type Answerer = 'self' | 'copy' | 'other';

/**
 * Decides who answered at the address that a node advertises (FORM-9). The process that is not reached there is the one to end,
 * whichever was there first: to others that address is the node.
 */
export function judgeAnswerer(own: ProcessIdentity, answerer: ProcessIdentity): Answerer {
  if (answerer.incarnationId === own.incarnationId) return 'self';
  return answerer.nodeId === own.nodeId && answerer.directoryId === own.directoryId ? 'copy' : 'other';
}
