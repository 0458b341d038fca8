import { ErrorCode } from '@streamline/core/types/error-code';
import { Client } from './client';
import type { ClientWorld } from './client-world';
import { DATA_TOPIC } from './client-world';
import { commitRequest, fetchOffsetsRequest } from './group-requests';
import type { StorageSide } from './storage-side';

const THINK_MS = 80;

/** Commits larger and larger offsets from outside of any membership, and asks what is committed. */
export class Committer extends Client {
  #offset = 0;
  #completed = 0;

  constructor(
    world: ClientWorld,
    readonly groupId: string,
  ) {
    super(world, groupId);
  }

  start(): void {
    this.refresh(() => {
      this.#next(() => this.#commit());
      this.#next(() => this.#read());
    });
  }

  lacks(): string | undefined {
    return this.#completed > 0 ? undefined : `${this.name} was never answered`;
  }

  /** One after the other; what it reads meanwhile does not wait for what it commits. */
  #next(draw: () => (storage: StorageSide) => Promise<number>): void {
    this.later(this.world.random.next() * 2 * THINK_MS, () => {
      if (this.isStopped && this.#completed > 0) return;
      const coordinator = this.known.coordinatorOf(this.groupId);
      if (coordinator === undefined) return this.refresh(() => this.#next(draw));
      this.ask(coordinator, this.world.plan.requestTimeoutMs, draw(), (outcome) => {
        const errorCode = outcome.kind === 'answered' ? outcome.answer : undefined;
        if (errorCode === ErrorCode.NONE) this.#completed += 1;
        if (errorCode === ErrorCode.NONE) this.#next(draw);
        else this.refresh(() => this.#next(draw));
      });
    });
  }

  #commit(): (storage: StorageSide) => Promise<number> {
    const { groupId, world } = this;
    this.#offset += 1;
    const offset = this.#offset;
    const sent = world.groups.commits(groupId, 0, offset, -1);
    return async ({ port }) => {
      if (port === undefined) return ErrorCode.NOT_COORDINATOR;
      const { errorCodes } = await port.groups.commitOffsets(
        commitRequest(groupId, -1, '', { topic: DATA_TOPIC, place: 0, offset }),
      );
      const errorCode = errorCodes[0] ?? ErrorCode.UNKNOWN_SERVER_ERROR;
      world.groups.committed(sent, errorCode);
      return errorCode;
    };
  }

  #read(): (storage: StorageSide) => Promise<number> {
    const { groupId, world } = this;
    const question = world.groups.ask(groupId, 0);
    return async (storage) => {
      if (storage.port === undefined) return ErrorCode.NOT_COORDINATOR;
      const asked = world.groups.asked(question, storage);
      const { errorCode, offsets } = await storage.port.groups.fetchOffsets(fetchOffsetsRequest(groupId, DATA_TOPIC, 0));
      if (errorCode === ErrorCode.NONE) world.groups.read(asked, offsets[0]?.offset ?? -1);
      return errorCode;
    };
  }
}
