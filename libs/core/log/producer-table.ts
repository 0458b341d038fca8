import { ErrorCode } from '@streamline/core/types/error-code';

/** Batches of one producer that are remembered in each partition (KIP-98, Kafka's NUM_BATCHES_TO_RETAIN). */
export const BATCHES_REMEMBERED = 5;

const MAX_SEQUENCE = 0x7fff_ffff;

/** One batch that an idempotent producer wrote. Sequences run from 0 to 2^31-1 and begin anew. */
export interface ProducerBatch {
  readonly firstSequence: number;
  readonly lastSequence: number;
  readonly baseOffset: number;
  readonly lastOffset: number;
  /** The batch's max timestamp. */
  readonly timestamp: number;
}

/** What a partition remembers of a producer; a value, replaced as a whole. */
export interface ProducerEntry {
  readonly producerId: number;
  readonly epoch: number;
  /** Oldest first, at most five, all of `epoch`. */
  readonly batches: readonly ProducerBatch[];
}

/** A batch as its producer numbered it. */
export interface ProducerFacts {
  /** -1: not idempotent. */
  readonly producerId: number;
  readonly producerEpoch: number;
  readonly baseSequence: number;
  readonly lastOffsetDelta: number;
}

export type SequenceVerdict =
  | { readonly kind: 'accept' }
  /** Sent before, among the last five: it stands at these offsets. */
  | { readonly kind: 'duplicate'; readonly baseOffset: number; readonly lastOffset: number }
  | { readonly kind: 'refuse'; readonly errorCode: number; readonly message: string };

const ACCEPT: SequenceVerdict = { kind: 'accept' };

/** The sequence `delta` records after `sequence`; 0 follows 2^31-1. */
export function sequenceAfter(sequence: number, delta: number): number {
  const sum = sequence + delta;
  return sum > MAX_SEQUENCE ? sum - MAX_SEQUENCE - 1 : sum;
}

/**
 * The idempotent producers of one partition (LOG-5). `check` decides, `apply` is the only one that records a batch: at append, in
 * replay and in a scan alike.
 */
export class ProducerTable {
  private readonly entries: Map<number, ProducerEntry>;

  constructor(entries: Iterable<ProducerEntry> = []) {
    this.entries = new Map();
    for (const entry of entries) this.entries.set(entry.producerId, entry);
  }

  get size(): number {
    return this.entries.size;
  }

  all(): Iterable<ProducerEntry> {
    return this.entries.values();
  }

  get(producerId: number): ProducerEntry | undefined {
    return this.entries.get(producerId);
  }

  clone(): ProducerTable {
    return new ProducerTable(this.entries.values());
  }

  /**
   * May this batch be appended? A duplicate matches epoch, first and last sequence of one of the last five batches; a gap or an
   * older duplicate is 45, an epoch of the past 47, a new epoch that does not begin at 0 is 45; a producer that is not known may
   * begin anywhere (Kafka's ProducerAppendInfo).
   */
  check(facts: ProducerFacts): SequenceVerdict {
    const entry = this.entries.get(facts.producerId);
    if (entry === undefined) return ACCEPT;
    if (facts.producerEpoch < entry.epoch) {
      return refuse(ErrorCode.INVALID_PRODUCER_EPOCH, facts, `epoch ${facts.producerEpoch} is older than ${entry.epoch}`);
    }
    if (facts.producerEpoch > entry.epoch) {
      if (facts.baseSequence === 0) return ACCEPT;
      return refuse(ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER, facts, `a new epoch begins at 0, not at ${facts.baseSequence}`);
    }
    const lastSequence = sequenceAfter(facts.baseSequence, facts.lastOffsetDelta);
    const before = entry.batches.find(
      (batch) => batch.firstSequence === facts.baseSequence && batch.lastSequence === lastSequence,
    );
    if (before !== undefined) return { kind: 'duplicate', baseOffset: before.baseOffset, lastOffset: before.lastOffset };
    const last = entry.batches[entry.batches.length - 1];
    if (last === undefined || facts.baseSequence === sequenceAfter(last.lastSequence, 1)) return ACCEPT;
    return refuse(
      ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER,
      facts,
      `sequence ${facts.baseSequence} does not follow ${last.lastSequence}`,
    );
  }

  /** Records a batch that stands in the log. Batches without a producer, and those of a passed epoch, change nothing. */
  apply(facts: ProducerFacts, baseOffset: number, timestamp: number): void {
    if (facts.producerId < 0) return;
    const entry = this.entries.get(facts.producerId);
    if (entry !== undefined && facts.producerEpoch < entry.epoch) return;
    const batch: ProducerBatch = {
      firstSequence: facts.baseSequence,
      lastSequence: sequenceAfter(facts.baseSequence, facts.lastOffsetDelta),
      baseOffset,
      lastOffset: baseOffset + facts.lastOffsetDelta,
      timestamp,
    };
    const kept = entry !== undefined && entry.epoch === facts.producerEpoch ? entry.batches : [];
    const batches = kept.length < BATCHES_REMEMBERED ? [...kept, batch] : [...kept.slice(1), batch];
    this.entries.set(facts.producerId, { producerId: facts.producerId, epoch: facts.producerEpoch, batches });
  }

  set(entry: ProducerEntry): void {
    this.entries.set(entry.producerId, entry);
  }

  remove(producerId: number): void {
    this.entries.delete(producerId);
  }

  /** Forgets producers whose last batch is `expirationMs` old (producer.id.expiration.ms); returns their ids. */
  expire(nowMs: number, expirationMs: number): number[] {
    const expired: number[] = [];
    for (const entry of this.entries.values()) {
      if (nowMs - lastTimestampOf(entry) >= expirationMs) expired.push(entry.producerId);
    }
    for (const producerId of expired) this.entries.delete(producerId);
    return expired;
  }
}

/**
 * The producers after a truncation: what a scan of the remaining batches shows, and what was remembered of them from before the cut; a
 * scan does not see batches that retention has removed.
 */
export function producersAfterCut(
  scanned: ProducerTable,
  remembered: Iterable<ProducerEntry>,
  cutOffset: number,
): Iterable<ProducerEntry> {
  for (const entry of remembered) {
    const kept = entry.batches.filter((batch) => batch.lastOffset < cutOffset);
    const found = scanned.get(entry.producerId);
    if (kept.length === 0 || (found !== undefined && found.epoch > entry.epoch)) continue;
    const older = found === undefined || found.epoch < entry.epoch ? [] : found.batches;
    const known = new Set(older.map((batch) => batch.baseOffset));
    const batches = [...older, ...kept.filter((batch) => !known.has(batch.baseOffset))].sort(
      (a, b) => a.baseOffset - b.baseOffset,
    );
    scanned.set({ ...entry, batches: batches.slice(-BATCHES_REMEMBERED) });
  }
  return scanned.all();
}

/** When a producer last wrote, as its batch says; -1 where nothing is remembered. */
export function lastTimestampOf(entry: ProducerEntry): number {
  return entry.batches[entry.batches.length - 1]?.timestamp ?? -1;
}

/** The last sequence a producer used, -1 where nothing is remembered. */
export function lastSequenceOf(entry: ProducerEntry): number {
  return entry.batches[entry.batches.length - 1]?.lastSequence ?? -1;
}

function refuse(errorCode: number, facts: ProducerFacts, why: string): SequenceVerdict {
  return { kind: 'refuse', errorCode, message: `producer ${facts.producerId}: ${why}` };
}
