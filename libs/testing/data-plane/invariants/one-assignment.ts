import { Violation } from '@streamline/testing/raft/violation';

/** A generation of a group has one assignment, by one leader, in which nobody has what another has (GROUP-3). */
export class OneAssignment {
  readonly #leaders = new Map<string, string>();
  readonly #holders = new Map<string, string>();

  /** `assignment` is `<the leader's word>:<places>`. */
  synced(groupId: string, generation: number, memberId: string, assignment: string): void {
    const [word = '', places = ''] = assignment.split(':');
    const where = `${groupId}, generation ${generation}`;
    this.#agree(this.#leaders, where, word, `${where} is assigned by`);
    if (places === '') return;
    for (const place of places.split(','))
      this.#agree(this.#holders, `${where}/${place}`, memberId, `${where}: ${place} belongs to`);
  }

  #agree(told: Map<string, string>, key: string, value: string, what: string): void {
    const known = told.get(key);
    if (known !== undefined && known !== value) throw new Violation('one-assignment', `${what} ${known} and ${value}`);
    told.set(key, value);
  }
}
