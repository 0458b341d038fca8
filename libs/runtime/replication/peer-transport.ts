/** A link to another broker's storage role, as whoever speaks on it sees it. */
export interface PeerStream {
  /**
   * Hands a whole frame over. False: it holds more than it likes; `onDrain` tells when that is over.
   * @param written called once the stream has no more use for the frame's memory; never where it keeps it
   */
  write(frame: Buffer, written?: () => void): boolean;
  /** Ends it for both sides. `onEnd` does not follow. */
  close(): void;
}

/** What is told of a stream. */
export interface PeerStreamEvents {
  /** Frames come whole, in their order. Their memory is used again once this has returned, but for batches that the log keeps where they are. */
  onFrame(frame: Buffer): void;
  onDrain(): void;
  /** It broke, or the peer ended it. Told once. */
  onEnd(reason: string): void;
}

/** Opens streams to the inter-broker ports of other brokers (`host:port`). Whether that worked is told by `onFrame` and `onEnd`. */
export interface PeerDialer {
  dial(address: string, events: PeerStreamEvents): PeerStream;
}
