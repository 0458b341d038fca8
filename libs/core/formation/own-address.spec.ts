import { describe, expect, it } from 'vitest';
import type { DirectoryId, NodeId } from '../types/ids';
import { judgeAnswerer } from './own-address';

const own = { nodeId: 2 as NodeId, directoryId: 'disk' as DirectoryId, incarnationId: 'now' };

describe('judgeAnswerer', () => {
  it('tells this process, another one on a copy of its directory, and another node', () => {
    expect(judgeAnswerer(own, own)).toBe('self');
    expect(judgeAnswerer(own, { ...own, incarnationId: 'other' })).toBe('copy');
    expect(judgeAnswerer(own, { ...own, incarnationId: 'other', nodeId: 3 as NodeId })).toBe('other');
    expect(judgeAnswerer(own, { ...own, incarnationId: 'other', directoryId: 'new' as DirectoryId })).toBe('other');
  });
});
