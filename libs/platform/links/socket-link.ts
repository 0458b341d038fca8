import type { Socket } from 'node:net';
import { FrameAssembler } from '@streamline/runtime/sockets/frame-assembler';
import type { FrameMemory } from '@streamline/runtime/sockets/frame-memory';
import { readInto, type Receiver } from '@streamline/runtime/sockets/socket-reader';
import type { PeerStream, PeerStreamEvents } from '@streamline/runtime/replication/peer-transport';

/** Larger frames end a link: one holds 1 MiB of batches, or a single batch. */
export const LINK_FRAME_BYTES_MAX = 128 * 1024 * 1024;
const LENGTH_BYTES = 4;
/** A link takes no more frames, but for the one that goes beyond it, while the socket holds so much. */
const UNSENT_BYTES_MAX = 1024 * 1024;
/** What was written last, such as why this side ends it, may take so long to reach a peer that reads. */
const LINGER_MS = 1_000;

/**
 * A stream of replicas over a connection of its own: `u32 length | frame` both ways, the length without itself. Frames are written from
 * where they are, and read to memory that the log keeps batches in where that is possible (docs/adr/0012-links-between-brokers.md).
 */
export class SocketLink implements PeerStream, Receiver {
  private readonly assembler: FrameAssembler;
  private readonly socket: Socket;
  private readonly events: PeerStreamEvents;
  private isOver = false;

  /**
   * @param connection paused, and holding nothing that was read but `first`
   * @param accept who is told of it
   */
  constructor(
    connection: Socket,
    first: Buffer | undefined,
    memory: FrameMemory,
    accept: (link: PeerStream) => PeerStreamEvents,
  ) {
    this.assembler = new FrameAssembler(LINK_FRAME_BYTES_MAX, memory, 'the largest frame between brokers');
    this.events = accept(this);
    this.socket = readInto(this, connection);
    this.socket.on('drain', () => this.events.onDrain());
    this.socket.on('error', (error) => this.over(error.message));
    this.socket.on('end', () => this.over('the peer ended the stream'));
    this.socket.on('close', () => {
      this.over('the stream broke');
      this.assembler.readerClosed();
    });
    if (first !== undefined) this.received(first, first.length);
  }

  write(frame: Buffer, written?: () => void): boolean {
    const { socket } = this;
    if (this.isOver) return true;
    const length = Buffer.allocUnsafe(LENGTH_BYTES);
    length.writeUInt32BE(frame.length);
    socket.cork();
    socket.write(length);
    socket.write(frame, written);
    socket.uncork();
    return socket.writableLength < UNSENT_BYTES_MAX;
  }

  close(): void {
    if (this.isOver) return;
    this.finish();
    this.socket.end();
    this.socket.resume();
    const cut = setTimeout(() => this.socket.destroy(), LINGER_MS).unref();
    this.socket.once('close', () => clearTimeout(cut));
  }

  space(): Buffer {
    return this.assembler.space();
  }

  received(buffer: Buffer, bytes: number): void {
    const { assembler } = this;
    if (this.isOver) return;
    assembler.received(buffer, bytes);
    try {
      for (let frame = assembler.next(); frame !== undefined; frame = this.isOver ? undefined : assembler.next())
        this.tell(frame);
    } catch (error) {
      this.over(error instanceof Error ? error.message : String(error));
    }
    assembler.keep();
  }

  private tell(frame: Buffer): void {
    const { assembler } = this;
    assembler.offer();
    try {
      this.events.onFrame(frame);
    } finally {
      assembler.withdraw();
      assembler.done();
    }
  }

  private over(reason: string): void {
    if (this.isOver) return;
    this.finish();
    this.socket.destroy();
    this.events.onEnd(reason);
  }

  private finish(): void {
    this.isOver = true;
    this.assembler.close();
  }
}
