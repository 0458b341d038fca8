import type { RaftContext } from './context';
import { invariant } from './invariant';
import type { AppendRejected } from './messages';
import type { Progress } from './progress';
import type { SnapshotSender } from './snapshot-sender';
import type { Entry, LogIndex } from './types';

const NO_ENTRIES: readonly Entry[] = [];

/**
 * Brings one peer's log in line with the leader's (paper 5.3): probes until the logs agree, then keeps a bounded pipeline
 * full (thesis 10.2.1), or sends a snapshot if the peer needs what is purged (RAFT-19).
 */
export class Replication {
  constructor(
    private readonly context: RaftContext,
    private readonly snapshots: SnapshotSender,
  ) {}

  /** Sends what there is to send and the peer may be sent now. */
  pump(peer: Progress): void {
    const { log, nowMs } = this.context;
    if (peer.state === 'probe' && !peer.paused && this.#sendNext(peer)) {
      peer.paused = true;
      peer.waitingSinceMs = nowMs;
    }
    while (peer.state === 'replicate' && peer.nextIndex <= log.lastIndex && !peer.inflight.isFull) {
      if (!this.#sendNext(peer)) break;
    }
    if (peer.state === 'snapshot') this.snapshots.pump(peer);
  }

  /** The peer's log equals this one up to `matchIndex`, durably. */
  accepted(peer: Progress, matchIndex: LogIndex): void {
    const { log, nowMs } = this.context;
    invariant(matchIndex <= log.lastIndex, 'RAFT-20', 'a peer acknowledges more than was sent', matchIndex, log.lastIndex);
    peer.acknowledge(Math.min(matchIndex, log.lastIndex), nowMs);
    if (peer.state === 'probe') peer.becomeReplicate();
    if (peer.state !== 'snapshot') return;
    // As soon as the log goes on from where the peer is, however it came there; if the log is purged beyond, the next snapshot.
    if (peer.matchIndex >= log.baseIndex) peer.becomeReplicate();
    else if (peer.snapshot !== undefined && peer.matchIndex >= peer.snapshot.meta.index) peer.becomeSnapshot();
  }

  rejected(peer: Progress, { previousIndex, hintIndex, hintTerm }: AppendRejected): void {
    const { log } = this.context;
    if (peer.state === 'replicate') {
      // One of an append before the last agreement comes late; any other means that something was lost on the way.
      if (previousIndex > peer.matchIndex) peer.becomeProbe();
    } else if (peer.state === 'probe' && previousIndex === peer.nextIndex - 1) {
      const agreed = log.lastIndexUpToTerm(Math.min(hintIndex, previousIndex - 1), hintTerm);
      peer.nextIndex = Math.max(agreed, peer.matchIndex) + 1;
      peer.paused = false;
    }
  }

  /** The peer lives. What it left unanswered for long may have been lost: ask again, at the pace of heartbeats. */
  heartbeatAnswered(peer: Progress): void {
    const { nowMs, config } = this.context;
    if (peer.state === 'snapshot') {
      this.snapshots.heartbeatAnswered(peer);
      return;
    }
    const waitedMs = nowMs - peer.waitingSinceMs;
    if (waitedMs < config.heartbeatIntervalMs / 2) return;
    peer.paused = false;
    if (peer.state !== 'replicate' || peer.inflight.isEmpty) return;
    peer.waitingSinceMs = nowMs;
    // Without entries: accepted if all arrived, rejected if there is a gap.
    if (peer.nextIndex > this.context.log.baseIndex) this.#send(peer, NO_ENTRIES);
    else peer.becomeSnapshot();
  }

  /** The transport threw messages away: what is in the pipeline will not arrive. */
  unreachable(peer: Progress): void {
    if (peer.state !== 'replicate') return;
    peer.becomeProbe();
    peer.paused = true;
    peer.waitingSinceMs = this.context.nowMs;
  }

  /** Entries that were no longer in memory. Returns false if the answer is not for this peer. */
  entriesRead(peer: Progress, readId: number, entries: readonly Entry[]): boolean {
    if (peer.readId !== readId) return false;
    const { log, nowMs } = this.context;
    peer.readId = 0;
    const [first] = entries;
    if (first === undefined) {
      invariant(peer.readFirstIndex <= log.baseIndex, 'RAFT-3', 'the storage lacks entries of the log', peer.readFirstIndex);
      return true;
    }
    if (peer.state === 'snapshot' || first.index !== peer.nextIndex) return true;
    for (const { index, term } of entries) {
      if (log.termAt(index) === term) continue;
      invariant(index <= log.baseIndex, 'RAFT-3', 'the storage has another entry than the log', index, term);
      return true;
    }
    if (log.termAt(first.index - 1) === undefined) return true;
    this.#sendEntries(peer, entries);
    if (peer.state !== 'probe') return true;
    peer.paused = true;
    peer.waitingSinceMs = nowMs;
    return true;
  }

  /** Returns whether an append left. */
  #sendNext(peer: Progress): boolean {
    const { log, config } = this.context;
    const { nextIndex } = peer;
    if (nextIndex <= log.baseIndex) {
      peer.becomeSnapshot();
      return false;
    }
    if (peer.readId !== 0) return false;
    if (nextIndex > log.lastIndex) {
      this.#send(peer, NO_ENTRIES);
      return true;
    }
    const entries = log.slice(nextIndex, log.lastIndex, config.maxPayloadEntries);
    if (entries === undefined) {
      this.#read(peer);
      return false;
    }
    this.#sendEntries(peer, entries);
    return true;
  }

  #sendEntries(peer: Progress, entries: readonly Entry[]): void {
    this.#send(peer, entries);
    const last = entries[entries.length - 1];
    if (peer.state !== 'replicate' || last === undefined) return;
    let bytes = 0;
    for (const { sizeBytes } of entries) bytes += sizeBytes;
    peer.sent(last.index, bytes, this.context.nowMs);
  }

  #send(peer: Progress, entries: readonly Entry[]): void {
    const { self, term, log, commitIndex } = this.context;
    const previousIndex = peer.nextIndex - 1;
    const previousTerm = log.termAt(previousIndex) ?? 0;
    invariant(previousIndex >= log.baseIndex, 'RAFT-3', 'an append continues what is purged', previousIndex, log.baseIndex);
    peer.commitSent = Math.max(peer.commitSent, Math.min(commitIndex, previousIndex + entries.length));
    this.context.send({ kind: 'append', from: self, to: peer.id, term, previousIndex, previousTerm, entries, commitIndex });
  }

  #read(peer: Progress): void {
    const { context } = this;
    const { log, config, effects } = context;
    peer.readId = context.nextReadId();
    const firstIndex = (peer.readFirstIndex = peer.nextIndex);
    const lastIndex = Math.min(log.lastIndex, firstIndex + config.maxPayloadEntries - 1, log.windowFirstIndex - 1);
    effects.push({ kind: 'read-entries', readId: peer.readId, firstIndex, lastIndex, bytesMax: config.batchBytesMax });
  }
}
