import type { Entry, LogIndex } from '@streamline/core/raft/types';
import { captureImage, snapshotRecords } from '@streamline/core/metadata/snapshot';
import type { WholeImage } from '@streamline/core/metadata/snapshot';
import type { MetadataIndex } from '@streamline/core/types/ids';
import { ImagePosition } from '@streamline/wire/contracts/generated/streamline/metadata/v1/log';
import { decodeRecord, encodeRecord } from '../metadata/record-codec';
import type { Applied, StateMachine } from '../raft/state-machine';
import type { CommittedMetadata } from './committed-metadata';
import { ImageFormatError } from './metadata-image';
import type { CommittedEntry, LogPlace } from './metadata-log';
import { StateBuilder } from './state-builder';

/** Version of a snapshot's bytes that this build writes, and the newest that it reads. */
const FORMAT_VERSION = 1;
const LENGTH_BYTES = 4;
/** About how much a piece of a snapshot holds. */
const PIECE_BYTES = 64 * 1024;

const TOOK_EFFECT: Applied = { verdict: 'apply' };

/**
 * The metadata as Raft's state machine. A snapshot is the image's records, each with its length (u32) before it, behind an
 * ImagePosition in the same form.
 *
 * Its entries are decided by the leader from the state that it has applied, so that none of them may be proposed a second time:
 * there are no proposals with ids, and no sessions.
 */
export class MetadataMachine implements StateMachine<Applied> {
  /** Taken since the start, for metrics. */
  snapshots = 0;

  /** `onRestored`: the state is that of a snapshot now, taken at this index. */
  constructor(
    private readonly committed: CommittedMetadata,
    private readonly onRestored: (index: LogIndex) => void = () => undefined,
  ) {}

  get appliedIndex(): LogIndex {
    return this.committed.applied.index;
  }

  apply(entries: readonly Entry[]): readonly Applied[] {
    this.committed.apply(entries.map(toCommitted));
    return entries.map(() => TOOK_EFFECT);
  }

  capture(): Iterable<Uint8Array> {
    this.snapshots++;
    return snapshotPieces(this.committed.applied, captureImage(this.committed.state));
  }

  async restore(index: LogIndex, bytes: AsyncIterable<Uint8Array>): Promise<void> {
    let place: LogPlace | undefined;
    const builder = new StateBuilder(index as MetadataIndex);
    for await (const item of lengthPrefixed(bytes)) {
      if (place === undefined) place = decodePlace(item);
      else builder.add(decodeRecord(item));
    }
    if (place?.index !== index) throw new Error(`the snapshot is of index ${place?.index ?? 0}, not ${index}`);
    this.committed.replace(place, builder.finish());
    this.onRestored(index);
  }
}

function toCommitted({ index, term, records, id }: Entry): CommittedEntry {
  if (id !== undefined)
    throw new ImageFormatError(`Metadata entry ${index} belongs to a session, which this version does not know.`);
  return { index: index as MetadataIndex, term, records };
}

function decodePlace(bytes: Uint8Array): LogPlace {
  const { formatVersion, appliedIndex, appliedTerm } = ImagePosition.decode(bytes);
  if (formatVersion !== FORMAT_VERSION) {
    throw new ImageFormatError(
      `The metadata snapshot has format version ${formatVersion}, this version of Streamline knows ${FORMAT_VERSION}: start the version that wrote it.`,
    );
  }
  return { index: appliedIndex as MetadataIndex, term: appliedTerm };
}

/** Encoded as they are taken, so that the image is never whole in memory twice. */
function* snapshotPieces({ index, term }: LogPlace, image: WholeImage): Generator<Uint8Array> {
  const position = ImagePosition.encode({ formatVersion: FORMAT_VERSION, appliedIndex: index, appliedTerm: term }).finish();
  let waiting: Uint8Array[] = [lengthOf(position), position];
  let bytes = 0;
  for (const record of snapshotRecords(image)) {
    const encoded = encodeRecord(record);
    waiting.push(lengthOf(encoded), encoded);
    bytes += encoded.length;
    if (bytes < PIECE_BYTES) continue;
    yield Buffer.concat(waiting);
    [waiting, bytes] = [[], 0];
  }
  yield Buffer.concat(waiting);
}

function lengthOf(item: Uint8Array): Uint8Array {
  const length = Buffer.allocUnsafe(LENGTH_BYTES);
  length.writeUInt32BE(item.length);
  return length;
}

async function* lengthPrefixed(pieces: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer> {
  let rest: Buffer = Buffer.alloc(0);
  for await (const piece of pieces) {
    rest = rest.length === 0 ? Buffer.from(piece) : Buffer.concat([rest, piece]);
    let from = 0;
    while (rest.length - from >= LENGTH_BYTES) {
      const end = from + LENGTH_BYTES + rest.readUInt32BE(from);
      if (end > rest.length) break;
      yield rest.subarray(from + LENGTH_BYTES, end);
      from = end;
    }
    rest = rest.subarray(from);
  }
  if (rest.length > 0) throw new Error(`a snapshot ends within a record, ${rest.length} bytes after the one before`);
}
