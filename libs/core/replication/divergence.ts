import type { Offset } from '../types/ids';
import type { EpochStart } from './types';
import { earlier } from './types';

/** A log as far as its agreement with another one depends on it. */
export interface LogShape {
  readonly startOffset: Offset;
  readonly endOffset: Offset;
  readonly epochs: readonly EpochStart[];
}

export type Agreement =
  /** The follower's log is the beginning of the leader's: it goes on from its end. */
  | { readonly kind: 'agreed' }
  /** The logs agree before this offset at least; cut there, then compare again. */
  | { readonly kind: 'truncate'; readonly offset: Offset }
  /** Nothing of the follower's log is of use. */
  | { readonly kind: 'start-at'; readonly offset: Offset };

const AGREED: Agreement = { kind: 'agreed' };

/**
 * Where a follower's log leaves the leader's (KIP-101, KIP-279; REPL-9). An epoch has one leader, so two logs that both have an
 * epoch agree up to where the shorter one of the two leaves it; the newest such epoch decides, whatever the high watermarks are.
 */
export function agreementOf(leader: LogShape, follower: LogShape, isWholeHistory: boolean): Agreement {
  const { startOffset, endOffset, epochs } = follower;
  if (endOffset < leader.startOffset) return { kind: 'start-at', offset: leader.startOffset };
  // Without records there is nothing to compare; with records there would be an epoch.
  if (epochs.length === 0)
    return startOffset === endOffset && isWithin(leader, endOffset) ? AGREED : nothingLeft(leader, follower);
  const common = newestCommonEpoch(leader.epochs, epochs);
  if (common === undefined) {
    // Older than all that the leader still has, so before its log start; or the follower's own. Of those a hello names only some.
    const oldest = epochs[0];
    const isOlder = oldest !== undefined && oldest.epoch < (leader.epochs[0]?.epoch ?? 0);
    if (isWholeHistory || isOlder || oldest === undefined) return nothingLeft(leader, follower);
    return { kind: 'truncate', offset: oldest.startOffset as Offset };
  }
  const inCommon = endInCommon(leader, follower, common);
  const begunInVain = startInVain(leader, follower, common);
  if (inCommon === endOffset && begunInVain === undefined) return AGREED;
  const offset = earlier(inCommon, begunInVain ?? inCommon);
  return offset < leader.startOffset || offset <= startOffset ? nothingLeft(leader, follower) : { kind: 'truncate', offset };
}

/**
 * No record of the follower's is of use. It begins where it began if the leader's log goes on from there: what was before is deleted for
 * all, though the leader may not have heard of it. An empty log keeps what it remembers beside records.
 */
function nothingLeft(leader: LogShape, { startOffset, endOffset }: LogShape): Agreement {
  if (!isWithin(leader, startOffset)) return { kind: 'start-at', offset: leader.startOffset };
  return { kind: startOffset === endOffset ? 'truncate' : 'start-at', offset: startOffset };
}

function isWithin({ startOffset, endOffset }: LogShape, offset: Offset): boolean {
  return offset >= startOffset && offset <= endOffset;
}

/** Where `epoch` ends in a log. */
function endOfEpoch({ epochs, endOffset }: LogShape, epoch: number): Offset {
  const next = epochs.find((entry) => entry.epoch > epoch);
  return (next?.startOffset ?? endOffset) as Offset;
}

function newestCommonEpoch(left: readonly EpochStart[], right: readonly EpochStart[]): number | undefined {
  let l = left.length - 1;
  let r = right.length - 1;
  while (l >= 0 && r >= 0) {
    const a = left[l]?.epoch ?? -1;
    const b = right[r]?.epoch ?? -1;
    if (a === b) return a;
    if (a > b) l -= 1;
    else r -= 1;
  }
  return undefined;
}

/**
 * Where the follower's newest epoch begins if it has none of that epoch's records: it is forgotten too, since the next batch may be of an
 * older one. Either it led the epoch without writing, and the leader does not have it; or what was before the epoch was lost with the page
 * cache, so that it moved to the end that was left (LOG-6), and the leader's log tells that it began later.
 */
function startInVain(leader: LogShape, { epochs }: LogShape, common: number): Offset | undefined {
  const newest = epochs[epochs.length - 1];
  if (newest === undefined) return undefined;
  const isLedInVain = newest.epoch !== common;
  const hasMoved = newest.startOffset < knownStart(leader, common);
  return isLedInVain || hasMoved ? (newest.startOffset as Offset) : undefined;
}

/** Where `epoch` began; -1 where the log no longer has what was before it, and cannot tell. */
function knownStart({ epochs }: LogShape, epoch: number): number {
  const at = epochs.findIndex((entry) => entry.epoch === epoch);
  return at > 0 ? (epochs[at]?.startOffset ?? -1) : -1;
}

function endInCommon(leader: LogShape, follower: LogShape, epoch: number): Offset {
  const ours = endOfEpoch(leader, epoch);
  const theirs = endOfEpoch(follower, epoch);
  return earlier(ours, theirs);
}

/** The epoch that wrote the record before `offset`; -1 where the log no longer has it. */
export function epochBefore({ startOffset, epochs }: LogShape, offset: Offset): number {
  if (offset <= startOffset) return -1;
  for (let at = epochs.length - 1; at >= 0; at -= 1) {
    const entry = epochs[at];
    if (entry !== undefined && entry.startOffset < offset) return entry.epoch;
  }
  return -1;
}
