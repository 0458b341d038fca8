/** What a consumer asks of one partition. */
export interface FetchTarget {
  /** Topic id in text form in sessions that use ids, else the topic's name. */
  readonly topic: string;
  readonly partition: number;
  readonly fetchOffset: number;
  readonly maxBytes: number;
  readonly currentLeaderEpoch: number;
  readonly lastFetchedEpoch: number;
}

/** What an answer says of a partition, as far as sessions care. */
export interface FetchOutcome {
  readonly errorCode: number;
  readonly highWatermark: number;
  readonly logStartOffset: number;
  /** -1 where there is none. */
  readonly preferredReadReplica: number;
  readonly diverging: boolean;
  readonly recordBytes: number;
}

/** A partition that a client no longer wants. */
export interface ForgottenPartition {
  readonly topic: string;
  readonly partition: number;
}

export interface FetchSessionRequest {
  readonly sessionId: number;
  readonly sessionEpoch: number;
  readonly usesTopicIds: boolean;
  readonly partitions: readonly FetchTarget[];
  readonly forgotten: readonly ForgottenPartition[];
}

/** How one fetch is answered: what to read, and what of it goes into the answer. */
export interface FetchTurn {
  readonly partitions: readonly FetchTarget[];
  /** The session's id for the answer, and which of `partitions` (by index) belong into it. */
  conclude(outcomes: readonly FetchOutcome[]): FetchConclusion;
}

export type FetchConclusion =
  | { readonly errorCode: 0; readonly sessionId: number; readonly included: 'all' | readonly number[] }
  | { readonly errorCode: number; readonly sessionId: 0; readonly included: readonly number[] };

/** Kafka's error codes of sessions; the answer then has session id 0 and no partitions. */
export const FetchSessionError = {
  FETCH_SESSION_ID_NOT_FOUND: 70,
  INVALID_FETCH_SESSION_EPOCH: 71,
  FETCH_SESSION_TOPIC_ID_ERROR: 106,
} as const;

const NO_SESSION = 0;
/** Epoch of a request that opens a session, and of one that wants none. */
const INITIAL_EPOCH = 0;
const FINAL_EPOCH = -1;
const INT32_MAX = 0x7fffffff;

/** A session not used for so long, or older than this with fewer partitions, makes room for a new one (KIP-227). */
const EVICTION_MS = 120_000;

/** Partitions that all sessions together remember; a session that would exceed it is not opened, or is closed. */
const TOTAL_PARTITIONS_MAX = 1_000_000;

interface CachedPartition {
  target: FetchTarget;
  /** What the client knows; -1 makes the next answer tell it. */
  highWatermark: number;
  logStartOffset: number;
}

interface Session {
  readonly id: number;
  readonly usesTopicIds: boolean;
  readonly createdMs: number;
  lastUsedMs: number;
  /** The epoch that the client's next request has to have. */
  epoch: number;
  /** In the order in which they are read: those that just had records come last. */
  readonly partitions: Map<string, CachedPartition>;
  /** Size when last touched: what counts for eviction. */
  size: number;
  evictable: boolean;
}

/**
 * The incremental fetch sessions of a gateway (KIP-227): a client repeats only what changes, and is told only what changed.
 * Sessions are in memory of one process; a client that comes to another one is told 70 and starts anew.
 */
export class FetchSessionCache {
  evictions = 0;
  /** In the order of their last use. */
  private readonly sessions = new Map<number, Session>();
  private partitionTotal = 0;

  constructor(
    private readonly slots: number,
    private readonly nowMs: () => number,
    /** A number in [0, 1): ids are not to be guessed by accident after a restart. */
    private readonly random: () => number,
    private readonly partitionsMax = TOTAL_PARTITIONS_MAX,
  ) {}

  get sessionCount(): number {
    return this.sessions.size;
  }

  /** Partitions remembered by all sessions. */
  get partitionCount(): number {
    return this.partitionTotal;
  }

  /** The turn of a request, or the error code that answers it. */
  begin(request: FetchSessionRequest): FetchTurn | number {
    const { sessionId, sessionEpoch } = request;
    if (sessionEpoch === INITIAL_EPOCH || sessionEpoch === FINAL_EPOCH) {
      const closed = sessionId === NO_SESSION ? undefined : this.sessions.get(sessionId);
      if (closed !== undefined) this.remove(closed);
      return sessionEpoch === FINAL_EPOCH ? withoutSession(request.partitions) : this.openingTurn(request);
    }
    const session = this.sessions.get(sessionId);
    if (session === undefined) return FetchSessionError.FETCH_SESSION_ID_NOT_FOUND;
    if (session.epoch !== sessionEpoch) return FetchSessionError.INVALID_FETCH_SESSION_EPOCH;
    if (session.usesTopicIds !== request.usesTopicIds) return FetchSessionError.FETCH_SESSION_TOPIC_ID_ERROR;
    if (this.partitionTotal + request.partitions.length > this.partitionsMax) {
      this.remove(session);
      return FetchSessionError.FETCH_SESSION_ID_NOT_FOUND;
    }
    return this.incrementalTurn(session, request);
  }

  private openingTurn(request: FetchSessionRequest): FetchTurn {
    const { partitions, usesTopicIds } = request;
    return {
      partitions,
      conclude: (outcomes) => {
        const cached = new Map<string, CachedPartition>();
        for (const [i, target] of partitions.entries()) cached.set(keyOf(target), rememberedOf(target, outcomes[i]));
        return { errorCode: 0, sessionId: this.open(cached, usesTopicIds), included: 'all' };
      },
    };
  }

  private incrementalTurn(session: Session, request: FetchSessionRequest): FetchTurn {
    for (const target of request.partitions) {
      const known = session.partitions.get(keyOf(target));
      if (known === undefined) session.partitions.set(keyOf(target), { target, highWatermark: -1, logStartOffset: -1 });
      else known.target = target;
    }
    for (const gone of request.forgotten) session.partitions.delete(keyOf(gone));
    if (session.partitions.size === 0) {
      this.remove(session);
      return withoutSession([]);
    }
    this.touch(session);
    session.epoch = nextEpoch(session.epoch);
    const expectedEpoch = session.epoch;
    const read = [...session.partitions.values()].map(({ target }) => target);
    return { partitions: read, conclude: (outcomes) => this.concludeIncremental(session, expectedEpoch, read, outcomes) };
  }

  private concludeIncremental(
    session: Session,
    expectedEpoch: number,
    read: readonly FetchTarget[],
    outcomes: readonly FetchOutcome[],
  ): FetchConclusion {
    if (session.epoch !== expectedEpoch) {
      return { errorCode: FetchSessionError.INVALID_FETCH_SESSION_EPOCH, sessionId: NO_SESSION, included: [] };
    }
    const included: number[] = [];
    for (const [i, target] of read.entries()) {
      const outcome = outcomes[i];
      const key = keyOf(target);
      const cached = session.partitions.get(key);
      if (outcome === undefined || cached === undefined || !hasNews(cached, outcome)) continue;
      included.push(i);
      if (outcome.recordBytes > 0) {
        session.partitions.delete(key);
        session.partitions.set(key, cached);
      }
    }
    return { errorCode: 0, sessionId: session.id, included };
  }

  private open(partitions: Map<string, CachedPartition>, usesTopicIds: boolean): number {
    const size = partitions.size;
    if (this.slots === 0 || this.partitionTotal + size > this.partitionsMax) return NO_SESSION;
    if (this.sessions.size >= this.slots && !this.evictFor(size)) return NO_SESSION;
    const nowMs = this.nowMs();
    const session: Session = {
      id: this.newId(),
      usesTopicIds,
      createdMs: nowMs,
      lastUsedMs: nowMs,
      epoch: nextEpoch(INITIAL_EPOCH),
      partitions,
      size,
      evictable: false,
    };
    this.sessions.set(session.id, session);
    this.partitionTotal += size;
    return session.id;
  }

  /** The least recently used session goes where it is stale, else the smallest old one that is smaller than the new one. */
  private evictFor(size: number): boolean {
    const [oldest] = this.sessions.values();
    if (oldest === undefined) return false;
    if (this.nowMs() - oldest.lastUsedMs > EVICTION_MS) return this.evict(oldest);
    let least: Session | undefined;
    for (const session of this.sessions.values()) {
      if (session.evictable && (least === undefined || session.size < least.size)) least = session;
    }
    return least !== undefined && least.size < size && this.evict(least);
  }

  private evict(session: Session): true {
    this.remove(session);
    this.evictions++;
    return true;
  }

  private touch(session: Session): void {
    const nowMs = this.nowMs();
    this.sessions.delete(session.id);
    this.sessions.set(session.id, session);
    session.lastUsedMs = nowMs;
    session.evictable = nowMs - session.createdMs > EVICTION_MS;
    this.partitionTotal += session.partitions.size - session.size;
    session.size = session.partitions.size;
  }

  private remove(session: Session): void {
    if (this.sessions.delete(session.id)) this.partitionTotal -= session.size;
  }

  private newId(): number {
    for (;;) {
      const id = 1 + Math.floor(this.random() * (INT32_MAX - 1));
      if (!this.sessions.has(id)) return id;
    }
  }
}

function withoutSession(partitions: readonly FetchTarget[]): FetchTurn {
  return { partitions, conclude: () => ({ errorCode: 0, sessionId: NO_SESSION, included: 'all' }) };
}

function keyOf(partition: ForgottenPartition): string {
  return `${partition.partition}:${partition.topic}`;
}

function nextEpoch(epoch: number): number {
  return epoch === INT32_MAX ? 1 : epoch + 1;
}

function rememberedOf(target: FetchTarget, outcome: FetchOutcome | undefined): CachedPartition {
  if (outcome === undefined) return { target, highWatermark: -1, logStartOffset: -1 };
  return {
    target,
    highWatermark: outcome.errorCode === 0 ? outcome.highWatermark : -1,
    logStartOffset: outcome.logStartOffset,
  };
}

/** Whether an incremental answer has to name the partition; remembers what the client is told. Errors repeat. */
function hasNews(cached: CachedPartition, outcome: FetchOutcome): boolean {
  let news = outcome.recordBytes > 0 || outcome.preferredReadReplica >= 0 || outcome.diverging;
  if (cached.highWatermark !== outcome.highWatermark) {
    news = true;
    cached.highWatermark = outcome.highWatermark;
  }
  if (cached.logStartOffset !== outcome.logStartOffset) {
    news = true;
    cached.logStartOffset = outcome.logStartOffset;
  }
  if (outcome.errorCode !== 0) {
    news = true;
    cached.highWatermark = -1;
  }
  return news;
}
