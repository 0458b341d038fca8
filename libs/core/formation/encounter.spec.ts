import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ClusterId, DirectoryId, NodeId } from '../types/ids';
import { judgeEncounter, judgeTestimony, memberInQuestion, nextClusterEpoch, type Testimony } from './encounter';

const OURS = 'ours' as ClusterId;
const THEIRS = 'theirs' as ClusterId;
const own = {
  nodeId: 1 as NodeId,
  directoryId: 'new' as DirectoryId,
  clusterId: OURS,
  clusterEpoch: 5,
  isAlone: true,
};
const foreign = {
  clusterId: THEIRS,
  clusterEpoch: 0,
  meantNodeId: 1 as NodeId,
  meantDirectoryId: 'old' as DirectoryId,
};

describe('judgeEncounter', () => {
  it('takes a node that is alone for a replaced one where another cluster means its id with another directory', () => {
    expect(judgeEncounter(own, foreign)).toBe('maybe-replaced');
    expect(judgeEncounter({ ...own, isAlone: false }, foreign), 'others count on it').toBe('stranger');
    expect(judgeEncounter(own, { ...foreign, meantNodeId: 2 as NodeId })).toBe('stranger');
    expect(judgeEncounter(own, { ...foreign, meantDirectoryId: own.directoryId })).toBe('stranger');
  });

  it('may have been left out where its own cluster is of a later epoch, and not the other way round', () => {
    const later = { ...foreign, clusterId: OURS, clusterEpoch: 6 };
    expect(judgeEncounter(own, later)).toBe('maybe-left-out');
    expect(judgeEncounter({ ...own, isAlone: false }, later), 'also with others that were left out').toBe('maybe-left-out');
    expect(judgeEncounter(own, { ...later, clusterEpoch: 5 })).toBe('stranger');
    expect(judgeEncounter(own, { ...later, clusterEpoch: 4 })).toBe('stranger');
  });

  it('learns nothing from who has no cluster, nor where it has none itself', () => {
    expect(judgeEncounter(own, { ...foreign, clusterId: undefined })).toBe('stranger');
    expect(judgeEncounter({ ...own, clusterId: undefined }, foreign)).toBe('stranger');
  });
});

describe('judgeTestimony', () => {
  const later = { ...foreign, clusterId: OURS, clusterEpoch: 6 };
  const ofTheirs: Testimony = { clusterId: THEIRS, clusterEpoch: 0, isMember: undefined, leaderAddress: undefined };
  const ofOurs: Testimony = { ...ofTheirs, clusterId: OURS, clusterEpoch: 6 };

  it('has been replaced where a leader has the directory that is meant, and left out where one of a later epoch lacks its own', () => {
    expect(judgeTestimony(own, foreign, { ...ofTheirs, isMember: true })).toEqual({ kind: 'replaced' });
    expect(memberInQuestion(own, foreign)).toMatchObject({ nodeId: 1, directoryId: 'old' });
    expect(judgeTestimony(own, later, { ...ofOurs, isMember: false })).toEqual({ kind: 'left-out' });
    expect(memberInQuestion(own, later)).toMatchObject({ nodeId: 1, directoryId: 'new' });
  });

  it('asks whom the one that was met takes for its leader', () => {
    const address = 'three:9093';
    expect(judgeTestimony(own, foreign, { ...ofTheirs, leaderAddress: address })).toEqual({ kind: 'ask', address });
    expect(judgeTestimony(own, later, { ...ofOurs, leaderAddress: address })).toEqual({ kind: 'ask', address });
  });

  it.each<[string, Partial<typeof own>, typeof foreign, Testimony]>([
    ['nobody leads there', {}, later, ofOurs],
    ['it was greeted with an epoch that there is not', {}, later, { ...ofOurs, clusterEpoch: 5, isMember: false }],
    ['it is a member there', {}, later, { ...ofOurs, isMember: true }],
    ['who answers is of a third cluster', {}, later, { ...ofOurs, clusterId: 'third' as ClusterId, isMember: false }],
    ['who answers has no cluster', {}, later, { ...ofOurs, clusterId: undefined, isMember: false }],
    ['it has come to that epoch itself meanwhile', { clusterEpoch: 6 }, later, { ...ofOurs, isMember: false }],
    ['the member that was meant was removed', {}, foreign, { ...ofTheirs, isMember: false }],
    ['others count on it meanwhile', { isAlone: false }, foreign, { ...ofTheirs, isMember: true }],
  ])('keeps its place where %s', (_, change, met, said) => {
    expect(judgeTestimony({ ...own, ...change }, met, said)).toEqual({ kind: 'nothing' });
  });

  it('keeps its place whatever is said by who leads nobody', () => {
    const said = fc.record({
      clusterId: fc.constantFrom(OURS, THEIRS, undefined),
      clusterEpoch: fc.nat(10),
      isMember: fc.constant(undefined),
      leaderAddress: fc.option(fc.constant('three:9093'), { nil: undefined }),
    });
    fc.assert(
      fc.property(said, fc.constantFrom(foreign, later), (testimony, met) => {
        expect(['nothing', 'ask']).toContain(judgeTestimony(own, met, testimony).kind);
      }),
    );
  });
});

describe('nextClusterEpoch', () => {
  it('grows with each recovery whatever is drawn, stays exact, and differs between two that are apart', () => {
    const first = nextClusterEpoch(0, 0.999999999);
    const second = nextClusterEpoch(first, 0);
    expect([first > 0, second > first]).toEqual([true, true]);
    expect(nextClusterEpoch(0, 0.1)).not.toBe(nextClusterEpoch(0, 0.2));
    let epoch = 0;
    for (let n = 0; n < 10_000; n++) epoch = nextClusterEpoch(epoch, 0.999999999);
    expect(Number.isSafeInteger(epoch)).toBe(true);
  });
});
