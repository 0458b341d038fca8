/** The numbered invariants of docs/spec/raft.md. */
export type RaftRule = `RAFT-${number}`;

/** Something that cannot be: lost or damaged durable state, or a defect. Nothing may be acknowledged after it; the process is to end. */
export class RaftInvariantError extends Error {
  override readonly name = 'RaftInvariantError';

  constructor(
    readonly rule: RaftRule,
    message: string,
  ) {
    super(`${rule}: ${message}`);
  }
}

let enabled = true;

/** For simulators that are to find planted defects by themselves. Production never calls it. */
export function setInvariantsEnabled(value: boolean): void {
  enabled = value;
}

/** Throws RaftInvariantError unless `holds`. The text is static and the numbers are apart, so that a check that holds costs nothing. */
export function invariant(holds: boolean, rule: RaftRule, text: string, first?: number, second?: number): void {
  if (holds || !enabled) return;
  const numbers = [first, second].filter((value) => value !== undefined);
  throw new RaftInvariantError(rule, numbers.length === 0 ? text : `${text} (${numbers.join(', ')})`);
}
