import type { PushClass } from './effects';

/** Bounds of what one peer is sent (REPL-14). */
export interface PushLimits {
  /** Bytes that may be under way to the peer and not taken by it; a first batch may exceed it. */
  readonly windowBytes: number;
  /** Bytes of a frame; a first batch may exceed it. */
  readonly frameBytesMax: number;
  readonly framePartitionsMax: number;
  /** Reads of segments for the peer that run at once. */
  readonly catchUpReadsMax: number;
  /** Catch-up bytes to the peer; Infinity: no limit. */
  readonly catchUpBytesPerSecond: number;
  /** How long news of the high watermark alone waits for company. */
  readonly announceDelayMs: number;
}

export const DEFAULT_PUSH_LIMITS: PushLimits = {
  windowBytes: 32 * 1024 * 1024,
  frameBytesMax: 512 * 1024,
  framePartitionsMax: 1024,
  catchUpReadsMax: 4,
  catchUpBytesPerSecond: Infinity,
  announceDelayMs: 5,
};

/** What a partition in a frame counts for beside its batches. */
export const PUSH_OVERHEAD_BYTES = 64;

interface Flow<Partition> {
  readonly partition: Partition;
  /** The queue that holds it; places of it in other queues are stale. */
  queue: PushClass | undefined;
  /** A read of a segment runs for it. */
  isReading: boolean;
  /** Became due again while it was read. */
  dueAgain: PushClass | undefined;
  dueSinceMs: number;
}

/** What to read and send next. */
export interface NextPush<Partition> {
  readonly partition: Partition;
  readonly pushClass: PushClass;
  /** Whole batches up to this size, but at least one. */
  readonly maxBytes: number;
}

/**
 * Shares one stream to a peer among all partitions that have something for it: in turn, what is new first, catch-up within its own
 * budget, within the credit that the peer gives. It holds no batches: a peer that takes nothing costs what is under way to it.
 */
export class PushScheduler<Partition> {
  readonly #flows = new Map<Partition, Flow<Partition>>();
  readonly #queues: Readonly<Record<PushClass, Fifo<Flow<Partition>>>> = {
    tail: new Fifo(),
    'catch-up': new Fifo(),
    announce: new Fifo(),
  };
  #creditBytes: number;
  #frameBytes = 0;
  #framePartitions = 0;
  #reads = 0;
  #tokens: number;
  #tokensAtMs = 0;

  constructor(readonly limits: PushLimits) {
    this.#creditBytes = limits.windowBytes;
    this.#tokens = burstBytes(limits);
  }

  get creditBytes(): number {
    return this.#creditBytes;
  }

  get inFlightBytes(): number {
    return this.limits.windowBytes - this.#creditBytes;
  }

  get readsUnderWay(): number {
    return this.#reads;
  }

  /** When something is to be sent that nothing else would bring about; Infinity where there is none. */
  nextDeadlineMs(nowMs: number): number {
    if (this.#creditBytes <= 0) return Infinity;
    const announcement = this.#peek('announce');
    const announceMs = announcement === undefined ? Infinity : announcement.dueSinceMs + this.limits.announceDelayMs;
    const waitsForTokens = this.#peek('catch-up') !== undefined && this.#reads < this.limits.catchUpReadsMax;
    if (!waitsForTokens) return announceMs;
    this.#refill(nowMs);
    const { catchUpBytesPerSecond } = this.limits;
    const tokensMs = this.#tokens > 0 ? nowMs : nowMs + ((1 - this.#tokens) * 1000) / catchUpBytesPerSecond;
    return Math.min(announceMs, tokensMs);
  }

  /** The partition has something for the peer (`push-due`). */
  due(partition: Partition, pushClass: PushClass, nowMs: number): void {
    let flow = this.#flows.get(partition);
    if (flow === undefined) {
      flow = { partition, queue: undefined, isReading: false, dueAgain: undefined, dueSinceMs: nowMs };
      this.#flows.set(partition, flow);
    }
    if (flow.isReading) flow.dueAgain = pushClass;
    else if (flow.queue === undefined || flow.queue === 'announce') this.#enqueue(flow, pushClass, nowMs);
  }

  /** The batches are no longer in memory: the partition waits for its turn to be read from segments. */
  missed(partition: Partition, nowMs: number): void {
    const flow = this.#flows.get(partition);
    if (flow !== undefined && !flow.isReading) this.#enqueue(flow, 'catch-up', nowMs);
  }

  /** The partition is gone. A read for it may still be under way. */
  remove(partition: Partition): void {
    const flow = this.#flows.get(partition);
    if (flow === undefined) return;
    flow.queue = undefined;
    flow.dueAgain = undefined;
    this.#flows.delete(partition);
  }

  /** The stream ended, and a new one begins with all its credit. Reads that are under way still end with `readEnded`. */
  reset(): void {
    for (const flow of this.#flows.values()) flow.dueAgain = flow.queue = undefined;
    for (const queue of Object.values(this.#queues)) queue.clear();
    for (const [partition, flow] of this.#flows) if (!flow.isReading) this.#flows.delete(partition);
    this.#creditBytes = this.limits.windowBytes;
    this.beginFrame();
  }

  /** The peer took bytes. */
  grant(bytes: number): void {
    this.#creditBytes = Math.min(this.#creditBytes + bytes, this.limits.windowBytes);
  }

  beginFrame(): void {
    this.#frameBytes = 0;
    this.#framePartitions = 0;
  }

  /** What goes into the frame next: read it from memory, send it and tell `sent`, or `missed`. Undefined: the frame is complete. */
  nextForFrame(nowMs: number): NextPush<Partition> | undefined {
    const { frameBytesMax, framePartitionsMax, announceDelayMs } = this.limits;
    const roomBytes = Math.min(frameBytesMax - this.#frameBytes, this.#creditBytes);
    if (roomBytes <= 0 || this.#framePartitions >= framePartitionsMax) return undefined;
    const tail = this.#dequeue('tail');
    if (tail !== undefined) return { partition: tail.partition, pushClass: 'tail', maxBytes: roomBytes };
    const waiting = this.#peek('announce');
    const isTime = waiting !== undefined && (this.#framePartitions > 0 || nowMs - waiting.dueSinceMs >= announceDelayMs);
    const announcement = isTime ? this.#dequeue('announce') : undefined;
    return announcement && { partition: announcement.partition, pushClass: 'announce', maxBytes: roomBytes };
  }

  /** What to read from segments next; `readEnded` has to follow. Undefined: nothing, or not now. */
  nextCatchUp(nowMs: number): NextPush<Partition> | undefined {
    const { catchUpReadsMax, frameBytesMax } = this.limits;
    if (this.#creditBytes <= 0 || this.#reads >= catchUpReadsMax) return undefined;
    this.#refill(nowMs);
    if (this.#tokens <= 0) return undefined;
    const flow = this.#dequeue('catch-up');
    if (flow === undefined) return undefined;
    flow.isReading = true;
    this.#reads += 1;
    return { partition: flow.partition, pushClass: 'catch-up', maxBytes: Math.min(frameBytesMax, this.#creditBytes) };
  }

  /** The read is over, whatever came of it: send first, then call this. */
  readEnded(partition: Partition, nowMs: number): void {
    this.#reads -= 1;
    const flow = this.#flows.get(partition);
    if (flow?.isReading !== true) return;
    flow.isReading = false;
    const pushClass = flow.dueAgain;
    flow.dueAgain = undefined;
    if (pushClass === undefined) this.#forget(flow);
    else this.#enqueue(flow, pushClass, nowMs);
  }

  /** A push left with so many bytes of batches. */
  sent(partition: Partition, pushClass: PushClass, bytes: number): void {
    const charge = bytes + PUSH_OVERHEAD_BYTES;
    this.#creditBytes -= charge;
    if (pushClass === 'catch-up') {
      this.#tokens -= bytes;
    } else {
      this.#frameBytes += charge;
      this.#framePartitions += 1;
    }
    const flow = this.#flows.get(partition);
    if (flow !== undefined) this.#forget(flow);
  }

  /** It was next, and there was nothing to send. */
  skipped(partition: Partition): void {
    const flow = this.#flows.get(partition);
    if (flow !== undefined) this.#forget(flow);
  }

  #forget(flow: Flow<Partition>): void {
    if (flow.queue === undefined && !flow.isReading) this.#flows.delete(flow.partition);
  }

  #enqueue(flow: Flow<Partition>, queue: PushClass, nowMs: number): void {
    flow.queue = queue;
    flow.dueSinceMs = nowMs;
    this.#queues[queue].push(flow);
  }

  #peek(queue: PushClass): Flow<Partition> | undefined {
    const places = this.#queues[queue];
    for (let flow = places.first; flow !== undefined; flow = places.first) {
      if (flow.queue === queue) return flow;
      places.shift();
    }
    return undefined;
  }

  #dequeue(queue: PushClass): Flow<Partition> | undefined {
    const flow = this.#peek(queue);
    if (flow === undefined) return undefined;
    this.#queues[queue].shift();
    flow.queue = undefined;
    return flow;
  }

  #refill(nowMs: number): void {
    const { catchUpBytesPerSecond } = this.limits;
    if (catchUpBytesPerSecond === Infinity) {
      this.#tokens = Infinity;
      return;
    }
    const earned = ((nowMs - this.#tokensAtMs) * catchUpBytesPerSecond) / 1000;
    this.#tokens = Math.min(this.#tokens + earned, burstBytes(this.limits));
    this.#tokensAtMs = nowMs;
  }
}

/** What a pause may save up: a tenth of a second, and at least one frame. */
function burstBytes({ catchUpBytesPerSecond, frameBytesMax }: PushLimits): number {
  return Math.max(catchUpBytesPerSecond / 10, frameBytesMax);
}

/** Places before the first that waits which are put up with before the others move down. */
const SLACK = 64;

class Fifo<Item> {
  #items: Item[] = [];
  #head = 0;

  get first(): Item | undefined {
    return this.#items[this.#head];
  }

  push(item: Item): void {
    this.#items.push(item);
  }

  shift(): void {
    this.#head += 1;
    if (this.#head < SLACK || this.#head * 2 < this.#items.length) return;
    this.#items = this.#items.slice(this.#head);
    this.#head = 0;
  }

  clear(): void {
    this.#items = [];
    this.#head = 0;
  }
}
