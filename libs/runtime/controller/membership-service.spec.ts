import { DEFAULT_RAFT_CONFIG } from '@streamline/core/raft/limits';
import { removeBroker } from '@streamline/core/metadata/remove-broker';
import type { DirectoryId, MetadataIndex, NodeId } from '@streamline/core/types/ids';
import { MetadataState } from '@streamline/core/metadata/metadata-state';
import { addressOf, directoryOf, memberOf, ScriptedConsensus } from '@streamline/testing/controller/scripted-consensus';
import { fakePort } from '@streamline/testing/gateway/fake-port';
import { VirtualClock } from '@streamline/testing/time/virtual-clock';
import type * as wire from '@streamline/wire/contracts/generated/streamline/controller/v1/membership';
import {
  Formation,
  JoinOutcome,
  MembershipOutcome,
} from '@streamline/wire/contracts/generated/streamline/controller/v1/membership';
import type { MembershipPort } from '@streamline/wire/contracts/ports';
import { describe, expect, it } from 'vitest';
import type { ControllerRole } from './controller-role';
import type { PeerPorts } from './peer-ports';
import { type MemberState, MembershipService } from './membership-service';

const CLUSTER = 'clusterclustercluster0';
const EPOCH = 7;
const JOIN: wire.JoinRequest = {
  nodeId: 4,
  directoryId: directoryOf(4),
  address: addressOf(4),
  clusterId: '',
  promoteToVoter: true,
  features: [],
  incarnationId: 'first',
};
const REMOVE = { nodeId: 3, force: false, directoryId: '', keepAsLearner: false };

/** Metadata that has finalized metadata.version 2. */
function metadata(): MetadataState {
  const state = new MetadataState();
  state.apply(1 as MetadataIndex, [{ kind: 'featureLevel', name: 'metadata.version', level: 2 }]);
  return state;
}

/** The service of node 1, of a cluster of three that node `leaderId` leads. */
function serviceOf(leaderId: number, differing: Partial<MemberState> = {}, peers: Partial<PeerPorts> = {}) {
  const consensus = new ScriptedConsensus(1 as NodeId, leaderId as NodeId, [memberOf(1), memberOf(2), memberOf(3)]);
  const image = metadata();
  const removed: [NodeId, boolean][] = [];
  const role = fakePort<ControllerRole>({
    replica: fakePort<ControllerRole['replica']>({ image }),
    removeBroker: (brokerId, force) => {
      removed.push([brokerId, force]);
      return Promise.resolve(removeBroker(image, { brokerId, force }).answer);
    },
  });
  const service = new MembershipService({
    nodeId: 1 as NodeId,
    directoryId: directoryOf(1),
    incarnationId: 'first',
    softwareVersion: '1',
    mode: 'auto',
    clock: new VirtualClock(),
    peers: fakePort<PeerPorts>(peers),
    formation: { invite: () => undefined, mayBootstrap: true, note: '' },
    silentMs: 1_000,
    timing: DEFAULT_RAFT_CONFIG,
    state: () => ({ consensus, clusterId: CLUSTER, clusterEpoch: EPOCH, isRemoved: false, ...differing }),
    role: () => role,
  });
  return { service, consensus, removed };
}

describe('MembershipService', () => {
  it('goes by what the metadata has finalized: a version from before features were told is refused', async () => {
    const { service } = serviceOf(1);
    const { outcome, reason } = await service.join(JOIN);
    expect([outcome, reason]).toEqual([JoinOutcome.REFUSED, expect.stringContaining('metadata.version at level 2')]);
  });

  it('tells who joins which cluster it is, and after which recovery', async () => {
    const { service } = serviceOf(1);
    const features = [{ name: 'metadata.version', minLevel: 1, maxLevel: 2 }];
    expect(await service.join({ ...JOIN, features })).toMatchObject({ clusterId: CLUSTER, clusterEpoch: EPOCH });
  });

  it('passes a node that joins on to the leader, and not in a circle', async () => {
    const asked: string[] = [];
    const join: MembershipPort['join'] = (_, context) => {
      asked.push(`hops ${context?.hops}`);
      return Promise.resolve({
        outcome: JoinOutcome.BUSY,
        reason: '',
        clusterId: CLUSTER,
        clusterEpoch: EPOCH,
        memberAddresses: [],
      });
    };
    const askMembership: PeerPorts['askMembership'] = (address, ask) => {
      asked.push(address);
      return ask(fakePort<MembershipPort>({ join }));
    };
    const { service } = serviceOf(2, {}, { askMembership });
    expect(await service.join(JOIN)).toMatchObject({ outcome: JoinOutcome.BUSY });
    expect(asked).toEqual([addressOf(2), 'hops 1']);
    expect(await service.join(JOIN, { hops: 2 })).toMatchObject({ outcome: JoinOutcome.NO_LEADER });
    expect(asked).toHaveLength(2);
  });

  it('removes a broker by the decision that knows what is lost', async () => {
    const { service, removed } = serviceOf(1);
    expect(await service.removeMember({ ...REMOVE, force: true })).toMatchObject({ outcome: MembershipOutcome.DONE });
    expect(removed).toEqual([[3, true]]);
  });

  it('says who is a member for sure only where it leads and a majority confirms it', async () => {
    const { service, consensus } = serviceOf(1);
    const asks = (directoryId: DirectoryId) =>
      service.describeNode({ fromNodeId: 3, fromDirectoryId: directoryId, fromClusterId: CLUSTER });
    expect((await asks(directoryOf(3))).callerIsMember).toBe(true);
    expect((await asks(directoryOf(33))).callerIsMember).toBe(false);
    consensus.confirms = false;
    expect((await asks(directoryOf(33))).callerIsMember).toBeUndefined();
  });

  it('takes no invitation where it has a cluster, and lets nobody join where it was removed', async () => {
    const invitation = { clusterId: 'anotheranotheranother0', memberAddresses: [], nodeId: 1, promoteToVoter: true };
    expect(await serviceOf(1).service.invite(invitation)).toEqual({ accepted: false, reason: CLUSTER, otherCluster: true });
    const { service } = serviceOf(1, { isRemoved: true });
    expect((await service.invite(invitation)).accepted).toBe(false);
    expect(await service.join(JOIN)).toMatchObject({ outcome: JoinOutcome.NO_LEADER });
    const asked = { fromNodeId: 0, fromDirectoryId: '', fromClusterId: '' };
    expect((await service.describeNode(asked)).formation).toBe(Formation.REMOVED);
  });
});
