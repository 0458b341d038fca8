import type { WholeImage } from '@streamline/core/metadata/snapshot';
import { snapshotRecords } from '@streamline/core/metadata/snapshot';
import type { VoterId } from '@streamline/core/raft/types';
import { encodeRecord } from '@streamline/runtime/metadata/record-codec';
import type { Applied, StateMachine } from '@streamline/runtime/raft/state-machine';
import { Violation } from '@streamline/testing/raft/violation';
import type { MetadataInvariant } from '../metadata-ghost';

const LENGTH_BYTES = 4;

/** The metadata of all nodes is equal at equal indexes, whether they came there by entries, by a snapshot or from their disk (META-1). */
export class EqualImages implements MetadataInvariant {
  readonly #texts = new WeakMap<WholeImage, string>();

  constructor(private readonly compare: () => void) {}

  compared(id: VoterId, machine: StateMachine<Applied>, reference: WholeImage, when: string): void {
    this.compare();
    const { appliedIndex } = machine;
    const expected = this.#textOf(reference);
    const found = inOrder(recordsOf(machine));
    if (found === expected) return;
    throw new Violation('equal-images', `${id} has other metadata than the cluster at ${appliedIndex}, ${when}`);
  }

  #textOf(image: WholeImage): string {
    let text = this.#texts.get(image);
    if (text === undefined) this.#texts.set(image, (text = inOrder([...snapshotRecords(image)].map(encodeRecord))));
    return text;
  }
}

/** What a snapshot of it would hold, but for its place. */
function recordsOf(machine: StateMachine<Applied>): readonly Uint8Array[] {
  const pieces = machine.capture();
  if (!(Symbol.iterator in pieces)) throw new TypeError('the metadata is captured at once');
  const bytes = Buffer.concat([...pieces]);
  const records: Uint8Array[] = [];
  for (let at = 0; at < bytes.length;) {
    const end = at + LENGTH_BYTES + bytes.readUInt32BE(at);
    records.push(bytes.subarray(at + LENGTH_BYTES, end));
    at = end;
  }
  return records.slice(1);
}

function inOrder(records: readonly Uint8Array[]): string {
  return records
    .map((record) => Buffer.from(record).toString('latin1'))
    .sort()
    .join('\n');
}
