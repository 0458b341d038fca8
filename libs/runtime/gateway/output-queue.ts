import type { Socket } from 'node:net';

/** At most so much is given to the socket at once, so that a slow reader is told from a large answer. */
export const WRITE_PIECE_BYTES = 1024 * 1024;

/** Small answers up to this sum are joined into one buffer: cheaper than a gather list. */
const JOIN_BYTES = 32 * 1024;

/** Hears what became of the answers. */
export interface OutputObserver {
  /** The socket took `bytes`. */
  onSent(bytes: number): void;
}

/**
 * Answers on their way to one client. Everything that is queued in one turn of the event loop leaves in one write;
 * nothing more is handed to the socket until it took the piece before.
 */
export class OutputQueue {
  private queue: Buffer[] = [];
  private queuedBytes = 0;
  private writingBytes = 0;
  private flushQueued = false;
  private writeStartedMs = 0;

  constructor(
    private readonly socket: Socket,
    private readonly monotonicMs: () => number,
    private readonly observer: OutputObserver,
  ) {}

  /** Bytes that the client has not taken. */
  get unsentBytes(): number {
    return this.queuedBytes + this.writingBytes;
  }

  /** How long the client has been taking the piece under way; 0 when there is none. */
  stalledMs(nowMs: number): number {
    return this.writingBytes === 0 ? 0 : nowMs - this.writeStartedMs;
  }

  /** Queues bytes; they must not change until they are sent. */
  push(bytes: Buffer): void {
    this.queue.push(bytes);
    this.queuedBytes += bytes.length;
    if (this.flushQueued) return;
    this.flushQueued = true;
    process.nextTick(this.flush);
  }

  private readonly flush = (): void => {
    this.flushQueued = false;
    if (this.writingBytes > 0 || this.queuedBytes === 0 || this.socket.destroyed) return;
    const piece = this.takePiece();
    this.writeStartedMs = this.monotonicMs();
    if (piece.length === 1 || this.writingBytes <= JOIN_BYTES) {
      this.socket.write(
        piece.length === 1 && piece[0] !== undefined ? piece[0] : Buffer.concat(piece, this.writingBytes),
        this.taken,
      );
      return;
    }
    this.socket.cork();
    const last = piece.pop();
    for (const bytes of piece) this.socket.write(bytes);
    if (last !== undefined) this.socket.write(last, this.taken);
    this.socket.uncork();
  };

  private readonly taken = (error?: Error | null): void => {
    // What a failed write held stays counted until the connection, which ends by it, gives everything back.
    if (error) return;
    const bytes = this.writingBytes;
    this.writingBytes = 0;
    this.observer.onSent(bytes);
    if (this.queuedBytes > 0) this.flush();
  };

  /** Moves up to {@link WRITE_PIECE_BYTES} from the queue into a piece to write, cutting the last buffer where needed. */
  private takePiece(): Buffer[] {
    if (this.queuedBytes <= WRITE_PIECE_BYTES) {
      const all = this.queue;
      this.queue = [];
      this.writingBytes = this.queuedBytes;
      this.queuedBytes = 0;
      return all;
    }
    const piece: Buffer[] = [];
    let room = WRITE_PIECE_BYTES;
    let taken = 0;
    for (const bytes of this.queue) {
      if (room === 0) break;
      if (bytes.length > room) {
        piece.push(bytes.subarray(0, room));
        this.queue[taken] = bytes.subarray(room);
        room = 0;
      } else {
        piece.push(bytes);
        room -= bytes.length;
        taken++;
      }
    }
    this.queue.splice(0, taken);
    this.writingBytes = WRITE_PIECE_BYTES - room;
    this.queuedBytes -= this.writingBytes;
    return piece;
  }
}
