import { Formation } from '@streamline/wire/contracts/generated/streamline/controller/v1/membership';
import { describe, expect, it } from 'vitest';
import { waitingDirectory } from './waiting-node';

const FOUND = {
  nodeId: 4,
  directoryId: 'disk',
  incarnationId: 'first',
  softwareVersion: '1',
  clusterId: '',
  clusterEpoch: 0,
  leaderAddress: '',
  memberAddresses: [],
  mayBootstrap: true,
};

describe('a node that is asked what it is', () => {
  it.each([
    [Formation.WAITING, 'disk'],
    [Formation.SEEKING, 'disk'],
    [Formation.MEMBER, undefined],
    [Formation.REMOVED, undefined],
  ])('waits for a cluster or not: %s', (formation, directory) => {
    expect(waitingDirectory({ ...FOUND, formation }, 4)).toBe(directory);
    expect(waitingDirectory({ ...FOUND, formation }, 5), 'as another node').toBeUndefined();
  });
});
