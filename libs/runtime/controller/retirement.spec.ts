import type { NodeId } from '@streamline/core/types/ids';
import { describe, expect, it } from 'vitest';
import { leftOut, noteOf, refusalOf, removed, replaced } from './retirement';

const WAY = {
  nodeId: 2 as NodeId,
  memberAddresses: ['10.0.0.1:9093', '10.0.0.3:9093'],
  remedy: (addresses: readonly string[]) => `To join again: streamline --seed-nodes ${addresses.join(',')}`,
};

describe('what is told of a node without a place in the cluster', () => {
  it.each([removed(WAY), leftOut(WAY), replaced({ ...WAY, clusterId: 'one', ownClusterId: 'two' })])(
    'is taken apart again, by a process that was told the note: %s',
    (refusal) => {
      const told = refusalOf(noteOf(refusal));
      expect([told.message, told.remedy]).toEqual([refusal.message, refusal.remedy]);
      expect(told.remedy).toContain('--seed-nodes 10.0.0.1:9093,10.0.0.3:9093');
    },
  );
});
