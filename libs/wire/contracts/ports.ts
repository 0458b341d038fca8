import type { AdminServiceDefinition } from './generated/streamline/admin/v1/admin';
import type { ControllerServiceDefinition } from './generated/streamline/controller/v1/controller';
import type { MembershipServiceDefinition } from './generated/streamline/controller/v1/membership';
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
export type MembershipPort = PortOf<MembershipServiceDefinition>;
export type GroupPort = PortOf<GroupServiceDefinition>;
export type RolePort = PortOf<RoleServiceDefinition>;
export type AdminPort = PortOf<AdminServiceDefinition>;

/**
 * An append with its bytes: `records[i]` belongs to `request.partitions[i]`. The storage may patch them in place. They are
 * lent until `append` returns, whatever its promise waits for: the caller reads the next request to the same memory.
 */
export interface BulkAppend {
  readonly request: AppendRequest;
  readonly records: readonly Buffer[];
}

/** A fetch's answer with its bytes: the chunks of `records[i]` belong to `response.partitions[i]`, in order. */
export interface BulkFetched {
  readonly response: FetchResponse;
  readonly records: readonly (readonly Buffer[])[];
}

/**
 * Memory for the answer of one fetch. Asked for at each look into the logs, so that a long poll holds none while it waits.
 */
export interface AnswerRoom {
  /** A look begins, in place of the one before: the bytes that it may find. */
  enter(): number;
  /** It found too little, or its answer is there: nothing is set aside any more. */
  leave(): void;
  /** For an answer that came through a stream: calls back when the stream may send more, mostly at once. */
  whenFree(task: () => void): void;
}

export interface FetchContext extends CallContext {
  /** Absent: as much as the request asks for. */
  readonly room?: AnswerRoom;
}

/** Partition replicas: control calls from the .proto, and the two bulk calls. */
export interface PartitionPort extends PortOf<PartitionServiceDefinition> {
  /**
   * Calls of one `connectionId` append in the order in which they are made: nobody has to wait for the answer to one before
   * he makes the next. Mostly before this returns; later where the storage is behind, or batches take long to decompress.
   * The promise resolves when the acknowledgement that `requiredAcks` asks for may be given; partition errors are in the
   * answer.
   */
  append(append: BulkAppend): Promise<AppendResponse>;
  /** Waits up to `maxWaitMs` for `minBytes`; ends early when `context.signal` aborts. */
  fetch(request: FetchRequest, context?: FetchContext): Promise<BulkFetched>;
}

/** All that a storage role offers. */
export interface StoragePort {
  readonly partitions: PartitionPort;
  /**
   * Calls of one group take effect in the order in which they are made: nobody has to wait for the answer to one before he
   * makes the next. The callee copies what it keeps of a request's bytes.
   */
  readonly groups: GroupPort;
}
