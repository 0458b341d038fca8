/** An invariant does not hold, or what was promised did not come to pass. */
export class Violation extends Error {
  override readonly name = 'Violation';

  constructor(
    /** The invariant's name: its file's in `invariants/`. */
    readonly invariant: string,
    readonly what: string,
  ) {
    super(`${invariant}: ${what}`);
  }
}
