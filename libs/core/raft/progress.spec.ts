import { describe, expect, it } from 'vitest';
import { storyVoterId } from '@streamline/testing/raft-stories/exploration';
import { EMPTY_CONFIGURATION } from './limits';
import { OutgoingSnapshot, Progress } from './progress';

function replicating(): Progress {
  const progress = new Progress(storyVoterId(2), 1, 0, 3, 100);
  progress.becomeReplicate();
  return progress;
}

describe('Progress', () => {
  it('never moves back by an answer that comes late or twice (RAFT-20)', () => {
    const progress = replicating();
    expect([progress.acknowledge(5, 1), progress.acknowledge(5, 2), progress.acknowledge(3, 3)]).toEqual([true, false, false]);
    expect([progress.matchIndex, progress.nextIndex]).toEqual([5, 6]);
  });

  it('is full at so many appends or bytes, and frees all that an answer covers (RAFT-19)', () => {
    const progress = replicating();
    progress.sent(10, 10, 0);
    progress.sent(20, 10, 0);
    progress.sent(30, 10, 0);
    expect(progress.inflight.isFull).toBe(true);
    progress.acknowledge(25, 1);
    expect(progress.inflight.isFull).toBe(false);
    progress.sent(40, 90, 1);
    expect(progress.inflight.isFull).toBe(true);
    progress.acknowledge(40, 2);
    expect(progress.inflight.isEmpty).toBe(true);
  });

  it('begins after what it knows for sure when it probes again', () => {
    const progress = replicating();
    progress.acknowledge(7, 0);
    progress.sent(20, 10, 0);
    progress.becomeProbe();
    expect([progress.state, progress.nextIndex, progress.inflight.isEmpty]).toEqual(['probe', 8, true]);
  });
});

describe('OutgoingSnapshot', () => {
  const PACE_MS = 1000;
  const meta = { id: 's', index: 9, term: 1, configuration: { index: 0, configuration: EMPTY_CONFIGURATION } };

  function sending(chunks: number): OutgoingSnapshot {
    const outgoing = new OutgoingSnapshot(meta);
    for (let sent = 0; sent < chunks; sent++) outgoing.sent(10, false, 0);
    return outgoing;
  }

  it('counts what is on its way', () => {
    const outgoing = sending(3);
    outgoing.acknowledge(10, 5, PACE_MS);
    expect([outgoing.ackedOffset, outgoing.nextOffset, outgoing.isAwaited]).toEqual([10, 30, true]);
    outgoing.acknowledge(30, 6, PACE_MS);
    expect([outgoing.ackedOffset, outgoing.nextOffset, outgoing.isAwaited]).toEqual([30, 30, false]);
    outgoing.sent(0, true, 7);
    expect([outgoing.isAwaited, outgoing.waitingSinceMs]).toEqual([true, 7]);
  });

  it('goes on behind what the peer has of an earlier leader', () => {
    const outgoing = sending(2);
    outgoing.acknowledge(70, 5, PACE_MS);
    // Of the second chunk.
    outgoing.acknowledge(70, 5, PACE_MS);
    expect([outgoing.ackedOffset, outgoing.nextOffset]).toEqual([70, 70]);
  });

  it('sends again from a gap, once for all that is answered behind it, and from the beginning where the peer lost all', () => {
    const outgoing = sending(4);
    outgoing.acknowledge(20, 5, PACE_MS);
    outgoing.acknowledge(20, 6, PACE_MS);
    expect(outgoing.nextOffset).toBe(20);
    outgoing.sent(10, true, 6);
    outgoing.acknowledge(20, 7, PACE_MS);
    expect([outgoing.nextOffset, outgoing.isEndSent]).toEqual([30, true]);
    // It was restarted: what is sent again after a time without an answer tells.
    outgoing.goOnFrom(20);
    outgoing.acknowledge(0, 6 + PACE_MS, PACE_MS);
    expect([outgoing.ackedOffset, outgoing.nextOffset, outgoing.isEndSent]).toEqual([0, 0, false]);
  });
});
