import { type DescribeNodeResponse, Formation } from '@streamline/wire/contracts/generated/streamline/controller/v1/membership';

/** The directory under which this node waits to be part of a cluster, as it says itself; undefined: it is part of one, or it is another node. */
export function waitingDirectory(found: DescribeNodeResponse, nodeId: number): string | undefined {
  const waits = found.formation === Formation.WAITING || found.formation === Formation.SEEKING;
  return waits && found.nodeId === nodeId ? found.directoryId : undefined;
}
