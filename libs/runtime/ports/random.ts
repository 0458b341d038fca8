/** Randomness, as hosts see it; seeded in simulation. */
export interface Random {
  /** Uniform in [0, 1). For jitter, never for secrets. */
  next(): number;
  /** `length` bytes, unpredictable outside simulation: ids and salts. */
  bytes(length: number): Buffer;
}
