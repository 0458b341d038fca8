/** What is known of the disk when an append asks for room. Bytes. */
export interface SpaceFacts {
  readonly freeBytes: number;
  /** Bytes that are in memory or in the journal, but not yet in segments: they will need room. */
  readonly unwrittenBytes: number;
  readonly marginBytes: number;
  /** Internal records may use the margin. */
  readonly internal: boolean;
}

/** S-10: appends need more free space than what still has to be written, plus a margin. */
export function hasSpace(facts: SpaceFacts): boolean {
  return facts.freeBytes > facts.unwrittenBytes + (facts.internal ? 0 : facts.marginBytes);
}
