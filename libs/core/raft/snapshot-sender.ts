import type { RaftContext } from './context';
import type { SnapshotProgress } from './messages';
import type { Progress } from './progress';
import { OutgoingSnapshot } from './progress';

/** Sends a peer the newest snapshot in chunks (paper section 7), few at a time, from where the peer says that it is. */
export class SnapshotSender {
  constructor(private readonly context: RaftContext) {}

  /** Asks for the next chunk unless one is being read, or enough are on their way. A peer that is silent is sent nothing. */
  pump(peer: Progress): void {
    const { context } = this;
    const { config, effects, nowMs } = context;
    if (nowMs - peer.heardMs >= config.electionTimeoutMaxMs) return;
    const outgoing = peer.snapshot ?? this.#begin(peer);
    if (outgoing === undefined || peer.chunkRead !== undefined || outgoing.isEndSent) return;
    const bytesMax = config.snapshotChunkBytes;
    const { meta, nextOffset: offset, ackedOffset } = outgoing;
    if (offset - ackedOffset >= config.inflightChunksMax * bytesMax) return;
    const readId = context.nextReadId();
    peer.chunkRead = { readId, snapshot: outgoing, offset };
    effects.push({ kind: 'read-snapshot-chunk', readId, to: peer.id, snapshotId: meta.id, offset, bytesMax });
  }

  /** Returns false if the answer is not for this peer. */
  chunkRead(peer: Progress, readId: number, chunk: { readonly data: Uint8Array; readonly last: boolean } | undefined): boolean {
    const { context } = this;
    if (peer.chunkRead?.readId !== readId) return false;
    const { snapshot: outgoing, offset } = peer.chunkRead;
    peer.chunkRead = undefined;
    if (peer.snapshot !== outgoing || outgoing.nextOffset !== offset) return true;
    if (chunk === undefined) {
      // Gone or damaged. If it is the newest, another one has to be taken first.
      if (outgoing.meta.id === context.snapshot?.id) context.wantsSnapshot = true;
      peer.snapshot = undefined;
      return true;
    }
    const { data, last } = chunk;
    const { self, term } = context;
    context.send({ kind: 'snapshot-chunk', from: self, to: peer.id, term, snapshot: outgoing.meta, offset, data, last });
    outgoing.sent(data.length, last, context.nowMs);
    return true;
  }

  /** The peer says how much it has: the next chunks, a resumption after a gap, or the beginning again. */
  progress(peer: Progress, { snapshotId, nextOffset }: SnapshotProgress): void {
    const { nowMs, config } = this.context;
    const outgoing = peer.snapshot;
    if (outgoing?.meta.id === snapshotId) outgoing.acknowledge(nextOffset, nowMs, config.electionTimeoutMinMs);
  }

  /** The peer lives; what it did not answer for an election timeout was lost, or could not be written. */
  heartbeatAnswered(peer: Progress): void {
    const { nowMs, config } = this.context;
    const outgoing = peer.snapshot;
    if (outgoing?.isAwaited !== true || nowMs - outgoing.waitingSinceMs < config.electionTimeoutMinMs) return;
    outgoing.goOnFrom(outgoing.ackedOffset);
  }

  /** What a peer that went silent was being sent holds back no purge any longer; it resumes from its own answer if it can. */
  releaseIfSilent(peer: Progress): void {
    const { nowMs, config } = this.context;
    if (peer.snapshot === undefined || nowMs - peer.heardMs < config.electionTimeoutMaxMs) return;
    peer.becomeProbe();
    peer.paused = true;
    peer.waitingSinceMs = nowMs;
  }

  #begin(peer: Progress): OutgoingSnapshot | undefined {
    const { context } = this;
    const { snapshot, log, wantsSnapshot } = context;
    if (wantsSnapshot) return undefined;
    if (snapshot === undefined || snapshot.index < log.baseIndex) {
      context.wantsSnapshot = true;
      return undefined;
    }
    return (peer.snapshot = new OutgoingSnapshot(snapshot));
  }
}
