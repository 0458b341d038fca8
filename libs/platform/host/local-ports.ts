import type { MetadataReplica } from '@streamline/runtime/metadata/metadata-replica';
import { PortError } from '@streamline/wire/contracts/port-error';
import type { ControllerPort, StoragePort } from '@streamline/wire/contracts/ports';

/** The ports of the roles in this process, offered by each as it starts. */
export class LocalPorts {
  private offeredController: ControllerPort | undefined;
  private offeredReplica: MetadataReplica | undefined;
  private offeredStorage: StoragePort | undefined;

  /** `replica`: the committed metadata of this process, which a local caller sees without a copy. */
  offerController(port: ControllerPort | undefined, replica?: MetadataReplica): void {
    this.offeredController = port;
    this.offeredReplica = replica;
  }

  offerStorage(port: StoragePort | undefined): void {
    this.offeredStorage = port;
  }

  get controller(): ControllerPort {
    if (!this.offeredController)
      throw new PortError('unavailable', 'the controller of this process has not started or was stopped');
    return this.offeredController;
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
      followMetadata: (request, context) => this.controller.followMetadata(request, context),
      getQuorumStatus: async (request, context) => this.controller.getQuorumStatus(request, context),
    };
  }
}
