import type { RecordMemory } from '@streamline/runtime/log/record-memory';
import type { MetadataReplica } from '@streamline/runtime/metadata/metadata-replica';
import { PortError } from '@streamline/wire/contracts/port-error';
import type { ControllerPort, MembershipPort, StoragePort } from '@streamline/wire/contracts/ports';

/** The ports of the roles in this process, offered by each as it starts. */
export class LocalPorts {
  private offeredController: ControllerPort | undefined;
  private offeredMembership: MembershipPort | undefined;
  private offeredReplica: MetadataReplica | undefined;
  private replicaOffered: (replica: MetadataReplica) => void = () => undefined;
  /** Resolves with the committed metadata of this process once its controller is part of a cluster. */
  readonly whenReplica = new Promise<MetadataReplica>((resolve) => (this.replicaOffered = resolve));
  private offeredStorage: StoragePort | undefined;
  private offeredMemory: RecordMemory | undefined;

  offerController(controller: ControllerPort | undefined, membership: MembershipPort | undefined): void {
    this.offeredController = controller;
    this.offeredMembership = membership;
  }

  /** The committed metadata of this process, which a local caller sees without a copy. */
  offerReplica(replica: MetadataReplica): void {
    this.offeredReplica = replica;
    this.replicaOffered(replica);
  }

  /** With the memory that its gateway may read records to, if there is such. */
  offerStorage(port: StoragePort | undefined, memory?: RecordMemory): void {
    this.offeredStorage = port;
    this.offeredMemory = memory;
  }

  get recordMemory(): RecordMemory | undefined {
    return this.offeredMemory;
  }

  get controller(): ControllerPort {
    if (!this.offeredController)
      throw new PortError('unavailable', 'the controller of this process has not started or was stopped');
    return this.offeredController;
  }

  get membership(): MembershipPort {
    if (!this.offeredMembership)
      throw new PortError('unavailable', 'the controller of this process has not started or was stopped');
    return this.offeredMembership;
  }

  get controllerReplica(): MetadataReplica | undefined {
    return this.offeredReplica;
  }

  get storage(): StoragePort | undefined {
    return this.offeredStorage;
  }

  /** Fails with a PortError until the storage has started. */
  get startedStorage(): StoragePort {
    if (!this.offeredStorage) throw new PortError('unavailable', 'the storage of this process has not started or was stopped');
    return this.offeredStorage;
  }

  /** As `lateController`. */
  lateMembership(): MembershipPort {
    return {
      describeNode: async (request, context) => this.membership.describeNode(request, context),
      join: async (request, context) => this.membership.join(request, context),
      invite: async (request, context) => this.membership.invite(request, context),
      addMember: async (request, context) => this.membership.addMember(request, context),
      removeMember: async (request, context) => this.membership.removeMember(request, context),
      transferLeadership: async (request, context) => this.membership.transferLeadership(request, context),
    };
  }

  /** A controller port that may be handed out before the controller has started. */
  lateController(): ControllerPort {
    return {
      createTopics: async (request, context) => this.controller.createTopics(request, context),
      deleteTopics: async (request, context) => this.controller.deleteTopics(request, context),
      createPartitions: async (request, context) => this.controller.createPartitions(request, context),
      alterConfigs: async (request, context) => this.controller.alterConfigs(request, context),
      allocateProducerIds: async (request, context) => this.controller.allocateProducerIds(request, context),
      registerBroker: async (request, context) => this.controller.registerBroker(request, context),
      brokerHeartbeat: async (request, context) => this.controller.brokerHeartbeat(request, context),
      unregisterBroker: async (request, context) => this.controller.unregisterBroker(request, context),
      alterPartition: async (request, context) => this.controller.alterPartition(request, context),
      electLeaders: async (request, context) => this.controller.electLeaders(request, context),
      alterPartitionReassignments: async (request, context) => this.controller.alterPartitionReassignments(request, context),
      reportFailedReplicas: async (request, context) => this.controller.reportFailedReplicas(request, context),
      updateFeatures: async (request, context) => this.controller.updateFeatures(request, context),
      followMetadata: (request, context) => this.controller.followMetadata(request, context),
      getQuorumStatus: async (request, context) => this.controller.getQuorumStatus(request, context),
    };
  }
}
