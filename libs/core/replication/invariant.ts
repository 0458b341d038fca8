/** The numbered rules of docs/spec/replication.md. */
export type ReplicationRule = `REPL-${number}`;

/** Something that cannot be: a defect, or a peer that is not what it says. The replica is not used again. */
export class ReplicationInvariantError extends Error {
  override readonly name = 'ReplicationInvariantError';

  constructor(
    readonly rule: ReplicationRule,
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

/** Throws ReplicationInvariantError unless `holds`. The text is static and the numbers are apart: a check that holds costs nothing. */
export function invariant(holds: boolean, rule: ReplicationRule, text: string, first?: number, second?: number): void {
  if (holds || !enabled) return;
  const numbers = [first, second].filter((value) => value !== undefined);
  throw new ReplicationInvariantError(rule, numbers.length === 0 ? text : `${text} (${numbers.join(', ')})`);
}
