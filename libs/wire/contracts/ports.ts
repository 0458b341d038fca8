import type { AdminServiceDefinition } from './generated/streamline/admin/v1/admin';
import type { ControllerServiceDefinition } from './generated/streamline/controller/v1/controller';
import type { RoleServiceDefinition } from './generated/streamline/node/v1/role';
import type { GroupServiceDefinition } from './generated/streamline/storage/v1/group';
import type {
  AppendRequest,
  AppendResponse,
  FetchRequest,
  FetchResponse,
  PartitionServiceDefinition,
} from './generated/streamline/storage/v1/partition';
import type { CallContext, PortOf } from './port';

export type ControllerPort = PortOf<ControllerServiceDefinition>;
export type GroupPort = PortOf<GroupServiceDefinition>;
export type RolePort = PortOf<RoleServiceDefinition>;
export type AdminPort = PortOf<AdminServiceDefinition>;

/** An append with its bytes: `records[i]` belongs to `request.partitions[i]`. The storage may patch them in place. */
export interface BulkAppend {
  readonly request: AppendRequest;
  readonly records: readonly Buffer[];
}

/** A fetch's answer with its bytes: the chunks of `records[i]` belong to `response.partitions[i]`, in order. */
export interface BulkFetched {
  readonly response: FetchResponse;
  readonly records: readonly (readonly Buffer[])[];
}

/** Partition replicas: control calls from the .proto, and the two bulk calls. */
export interface PartitionPort extends PortOf<PartitionServiceDefinition> {
  /**
   * Takes effect, in order, before it returns: two calls one after the other append in that order. The promise resolves
   * when the acknowledgement that `requiredAcks` asks for may be given; partition errors are in the answer.
   */
  append(append: BulkAppend): Promise<AppendResponse>;
  /** Waits up to `maxWaitMs` for `minBytes`; ends early when `context.signal` aborts. */
  fetch(request: FetchRequest, context?: CallContext): Promise<BulkFetched>;
}

/** All that a storage role offers. */
export interface StoragePort {
  readonly partitions: PartitionPort;
  readonly groups: GroupPort;
  /**
   * Calls of `groups` take effect before they return, so that nobody has to wait for the answer to one before he makes the
   * next. True in process only: the messages of unary gRPC calls are sent side by side, and a small one may overtake a large.
   */
  readonly keepsOrder?: true;
}
