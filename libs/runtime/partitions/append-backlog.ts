import type { CodecWork } from '@streamline/wire/records/validate-produce';

/** What is left of an append that was put aside. */
export interface PutAside {
  /** Nothing is left to do, or nobody waits for it any more. */
  readonly isOver: boolean;
  /** Goes on until it is over, or codecs have done enough for this turn. */
  proceed(): void;
}

/** What a lane has put aside, in the order in which it came. */
interface Lane {
  readonly waiting: PutAside[];
  /** Work that was done for it, on top of what the others had had when it came: a lane saves nothing up. */
  usedBytes: number;
}

/**
 * Appends that were put aside since their batches cost too much for one turn of the event loop. Each client connection is
 * a lane: in order within, and the one that has had least goes first, so that nobody waits for another's whole request.
 */
export class AppendBacklog {
  private readonly lanes = new Map<number, Lane>();
  /** What the lane that went last had had by then. */
  private floorBytes = 0;

  constructor(
    /** What codecs did in the present turn. */
    private readonly work: CodecWork,
  ) {}

  get isEmpty(): boolean {
    return this.lanes.size === 0;
  }

  /** True: what comes in this lane has to be put aside as well. */
  holds(laneId: number): boolean {
    return this.lanes.has(laneId);
  }

  /** `usedBytes`: the work that was done for it before it was put aside. */
  add(laneId: number, rest: PutAside, usedBytes: number): void {
    const lane = this.lanes.get(laneId);
    if (lane === undefined) this.lanes.set(laneId, { waiting: [rest], usedBytes: this.floorBytes + usedBytes });
    else lane.waiting.push(rest);
  }

  /** Goes on with what is there until `limitBytes` of work are done. */
  proceed(limitBytes: number): void {
    while (this.work.bytes < limitBytes) {
      const next = this.least();
      if (next === undefined) return;
      const [laneId, lane] = next;
      this.floorBytes = lane.usedBytes;
      this.proceedWith(lane, limitBytes);
      if (lane.waiting.length === 0) this.lanes.delete(laneId);
    }
  }

  /** Until the lane is empty, or has done what it may in one go. */
  private proceedWith(lane: Lane, limitBytes: number): void {
    const before = this.work.bytes;
    while (this.work.bytes < limitBytes) {
      const [first] = lane.waiting;
      if (first === undefined) break;
      if (!first.isOver) first.proceed();
      if (first.isOver) lane.waiting.shift();
    }
    lane.usedBytes += this.work.bytes - before;
  }

  /** Of equals the first that came, lest new ones go before it for ever. */
  private least(): [number, Lane] | undefined {
    let least: [number, Lane] | undefined;
    for (const entry of this.lanes) if (least === undefined || entry[1].usedBytes < least[1].usedBytes) least = entry;
    return least;
  }
}
