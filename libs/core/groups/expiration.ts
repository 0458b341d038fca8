import type { TimestampMs } from '../types/ids';
import type { CommittedOffset } from './group-record';
import type { GroupEntry } from './group-image';
import type { GroupState, Turn } from './group-state';
import type { LiveGroup } from './live-group';
import { CONSUMER_PROTOCOL_TYPE } from './live-group';

/**
 * Removes what has expired in one group (KIP-211): its old offsets, and the group itself once it is empty and has none.
 *
 * | group | retention counts from |
 * |---|---|
 * | active consumer group, Stable | the commit, for topics that it does not subscribe to |
 * | active, rebalancing or of another protocol type | never |
 * | empty | when it became empty |
 * | only offsets, never any members | the commit |
 *
 * An offset committed with a retention of its own (OffsetCommit v2-v4) expires by that.
 */
export function expireGroup(state: GroupState, turn: Turn, groupId: string): void {
  const entry = state.image.groups.get(groupId);
  if (entry === undefined) return;
  const group = state.live.get(groupId);
  const isActive = group !== undefined && group.state !== 'Empty';
  const baseOf = retentionBase(entry, isActive ? group : undefined);
  if (baseOf === undefined) return;
  let isEverythingExpired = true;
  for (const [topic, partitions] of entry.offsets) {
    const isSubscribed = isActive && group.isSubscribedTo(topic);
    for (const [partition, committed] of partitions) {
      if (!isSubscribed && isExpired(committed, baseOf(committed), turn.now.wallMs, state.config.offsetsRetentionMs)) {
        turn.records.push({ kind: 'offset-removed', groupId, topic, partition });
      } else {
        isEverythingExpired = false;
      }
    }
  }
  const hasPending = group !== undefined && group.pendingJoins.size > 0;
  if (!isEverythingExpired || isActive || hasPending) return;
  turn.records.push({ kind: 'group-removed', groupId });
  state.live.delete(groupId);
}

/** Undefined where nothing of the group expires now. */
function retentionBase(
  entry: Readonly<GroupEntry>,
  active: LiveGroup | undefined,
): ((committed: CommittedOffset) => TimestampMs) | undefined {
  const fromCommit = (committed: CommittedOffset): TimestampMs => committed.commitTimestampMs;
  if (active !== undefined) {
    const isAware = active.protocolType === CONSUMER_PROTOCOL_TYPE && active.subscribedTopics !== undefined;
    return isAware && active.state === 'Stable' ? fromCommit : undefined;
  }
  const emptySinceMs = entry.stored === undefined || entry.stored.protocolType === '' ? -1 : entry.stored.stateTimestampMs;
  return emptySinceMs === -1 ? fromCommit : () => emptySinceMs;
}

function isExpired(committed: CommittedOffset, baseMs: TimestampMs, nowMs: TimestampMs, retentionMs: number): boolean {
  if (committed.expireTimestampMs !== undefined) return nowMs >= committed.expireTimestampMs;
  return nowMs - baseMs >= retentionMs;
}
