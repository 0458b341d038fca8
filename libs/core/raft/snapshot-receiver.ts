import type { RaftContext } from './context';
import type { SnapshotChunk } from './messages';
import type { SnapshotMeta, Term, VoterId } from './types';

interface IncomingSnapshot {
  readonly snapshot: SnapshotMeta;
  /** Of the leader that sent the last chunk. */
  term: Term;
  /** Bytes that are written, from the start on. */
  offset: number;
  /** Of the first a `write-snapshot-chunk` is open; each goes on where the one before ends. */
  readonly chunks: SnapshotChunk[];
  /** What all of them hold. */
  waitingBytes: number;
}

/**
 * Receives a snapshot in chunks (paper section 7), writes them one at a time, and resumes where it is when another leader sends
 * the same bytes. Nothing counts until all of it is verified and the log is replaced (RAFT-17).
 */
export class SnapshotReceiver {
  #incoming: IncomingSnapshot | undefined;
  /** Of the open write. An answer to one that was given up says nothing of a later one, also where both are of the same snapshot. */
  #writeId = 0;

  constructor(private readonly context: RaftContext) {}

  chunk(chunk: SnapshotChunk): void {
    const { from, snapshot, offset, data } = chunk;
    if (this.#fastForward(snapshot)) {
      this.#acknowledge(from);
      return;
    }
    const incoming = this.#incomingFor(snapshot);
    if (incoming === undefined) return;
    const { chunks } = incoming;
    if (offset !== incoming.offset + incoming.waitingBytes) {
      // What is being written brings an answer of its own.
      if (chunks.length === 0) this.#report(incoming, from);
      return;
    }
    if (chunks.length >= this.context.config.inflightChunksMax) return;
    chunks.push(chunk);
    incoming.waitingBytes += data.length;
    if (chunks.length === 1) this.#write(chunk);
  }

  written(writeId: number, written: boolean): void {
    const incoming = this.#incoming;
    const [chunk] = incoming?.chunks ?? [];
    if (incoming === undefined || chunk === undefined || writeId !== this.#writeId) return;
    if (!written) {
      // No answer: the leader tries again at its own pace, not at the pace at which a full disk fails.
      this.#incoming = undefined;
      return;
    }
    incoming.chunks.shift();
    incoming.offset += chunk.data.length;
    incoming.waitingBytes -= chunk.data.length;
    if (chunk.last) return this.#complete(incoming.snapshot);
    this.#report(incoming, this.context.leaderId);
    const [next] = incoming.chunks;
    if (next !== undefined) this.#write(next);
  }

  /** Gives up what is partly received. */
  drop(): void {
    if (this.#incoming === undefined) return;
    this.context.effects.push({ kind: 'drop-snapshot', snapshotId: this.#incoming.snapshot.id });
    this.#incoming = undefined;
  }

  #write({ snapshot, offset, data, last }: SnapshotChunk): void {
    this.context.effects.push({ kind: 'write-snapshot-chunk', writeId: ++this.#writeId, snapshot, offset, data, last });
  }

  #complete(snapshot: SnapshotMeta): void {
    if (this.#fastForward(snapshot)) {
      this.drop();
    } else {
      this.#incoming = undefined;
      this.context.install(snapshot);
    }
    this.#acknowledge(this.context.leaderId);
  }

  /** True if the log has all that the snapshot would bring: with its last entry it has all before, and all of it is committed (RAFT-3). */
  #fastForward({ index, term }: SnapshotMeta): boolean {
    const { context } = this;
    if (index > context.commitIndex && context.log.termAt(index) === term) context.commitTo(index);
    return index <= context.commitIndex;
  }

  #incomingFor(snapshot: SnapshotMeta): IncomingSnapshot | undefined {
    const current = this.#incoming;
    const { term } = this.context;
    if (current?.snapshot.id === snapshot.id) {
      current.term = term;
      return current;
    }
    // A chunk that comes late must not cost the bytes of a newer snapshot: one leader only goes on to newer ones.
    if (current?.term === term && snapshot.index < current.snapshot.index) return undefined;
    this.drop();
    return (this.#incoming = { snapshot, term, offset: 0, chunks: [], waitingBytes: 0 });
  }

  /** Everything that is committed here equals the leader's log, whoever leads (RAFT-4), once it is durable. */
  #acknowledge(leaderId: VoterId | undefined): void {
    const { self, term, commitIndex } = this.context;
    if (leaderId === undefined || leaderId === self) return;
    this.context.sendAfterLog({ kind: 'append-accepted', from: self, to: leaderId, term, matchIndex: commitIndex });
  }

  #report({ snapshot, offset }: IncomingSnapshot, leaderId: VoterId | undefined): void {
    const { self, term } = this.context;
    if (leaderId === undefined || leaderId === self) return;
    const progress = { snapshotId: snapshot.id, nextOffset: offset };
    this.context.sendAfterHardState({ kind: 'snapshot-progress', from: self, to: leaderId, term, ...progress });
  }
}
