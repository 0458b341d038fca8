import { GroupKind, groupEnd, isData } from './format';
import type { FileHeader, GroupHeader } from './format';

/** Why a journal is refused (J-5), and the offset in the file that was being read. */
export interface Damage {
  readonly offset: number;
  readonly problem: string;
}

export type GroupVerdict =
  | { readonly kind: 'accepted' }
  /** The same records as the group before it, written again after a crash: read past it. */
  | { readonly kind: 'duplicate' }
  | { readonly kind: 'damage'; readonly damage: Damage };

/** What is known once all files were read. */
export interface ChainEnd {
  readonly position: number;
  /** Where the next group goes in the newest file: after its last valid one. */
  readonly nextOffset: number;
  /** The newest file has no groups, and nothing proves that its header is on the disk: it has to be begun anew. */
  readonly headerInDoubt: boolean;
  /** The last records may be readable but not durable: they have to be written again (kill between write and sync). */
  readonly recordsInDoubt: boolean;
  readonly cleanStop: boolean;
  readonly tornBytes: number;
  /** Groups that cannot be read, though what follows them goes on where they began: marks, which hold no records. */
  readonly unreadableMarks: number;
}

/**
 * Decides, group by group and file by file in the order of their sequences, what a journal's files mean (J-5). Positions
 * tell loss from tearing: a group or file that does not begin where the one before it ended proves that records are
 * missing; one that does, after bytes that cannot be read, proves that they held none; and bytes after which nothing valid follows are the write that was in flight.
 */
export class Chain {
  private position: number;
  private lastData: { readonly start: number; readonly end: number } | undefined;
  private lastKind: GroupKind | undefined;
  private file: FileHeader | undefined;
  private groupsInFile = 0;
  private nextOffset = 0;
  /** The file before the current one said that its successor's header is durable. */
  private announced = false;
  private continuedIn: number | undefined;
  private invalidAt: number | undefined;
  private claimedBytes = 0;
  private unreadableMarks = 0;

  /** `startPosition` is that of the first file that is read. */
  constructor(startPosition: number) {
    this.position = startPosition;
  }

  /** Everything up to it was accepted. */
  get endPosition(): number {
    return this.position;
  }

  /** True once the current file said that another one goes on: nothing more is in it. */
  get isContinued(): boolean {
    return this.continuedIn !== undefined;
  }

  beginFile(header: FileHeader): Damage | undefined {
    if (this.continuedIn !== undefined && header.sequence !== this.continuedIn) {
      return {
        offset: 0,
        problem: `the file with sequence ${this.continuedIn}, which goes on after the one before, is missing or its header is unreadable`,
      };
    }
    const goesOn = header.startPosition === this.position || header.startPosition === this.lastData?.start;
    if (!goesOn) {
      return {
        offset: 0,
        problem: `the file begins at position ${header.startPosition}, but what is before it ends at ${this.position}: records are missing between them`,
      };
    }
    this.announced = this.continuedIn !== undefined;
    this.file = header;
    this.groupsInFile = 0;
    this.continuedIn = undefined;
    this.invalidAt = undefined;
    return undefined;
  }

  /** A group whose CRC is right. `nextSequence` is what a `Continued` group announces. */
  group(offset: number, bytes: number, header: GroupHeader, nextSequence: number): GroupVerdict {
    if (GroupKind[header.kind] === undefined) {
      return this.damage(
        offset,
        `the group is of kind ${header.kind}, which this version does not know: a newer version wrote it`,
      );
    }
    const isAgain = header.startPosition === this.lastData?.start;
    const isDuplicate = header.kind === GroupKind.Copy && isAgain && groupEnd(header) === this.position;
    // The file that goes on begins with a copy of the last group.
    const announcesCopy = header.kind === GroupKind.Continued && isAgain;
    if (header.startPosition !== this.position && !isDuplicate && !announcesCopy) {
      return this.invalidAt === undefined
        ? this.damage(
            offset,
            `the group begins at position ${header.startPosition}, but what is before it ends at ${this.position}`,
          )
        : this.damage(this.invalidAt, `a group here is damaged: a valid one follows at offset ${offset}`);
    }
    if (this.invalidAt !== undefined) this.unreadableMarks += 1;
    this.invalidAt = undefined;
    this.position = Math.max(this.position, groupEnd(header));
    this.lastKind = header.kind;
    this.groupsInFile += 1;
    this.nextOffset = offset + bytes;
    if (isData(header.kind)) this.lastData = { start: header.startPosition, end: this.position };
    if (header.kind === GroupKind.Continued) this.continuedIn = nextSequence;
    return { kind: isDuplicate ? 'duplicate' : 'accepted' };
  }

  /** No valid group begins at `offset`; `claimedBytes` is the size that a readable group header there gives, else 0. */
  invalid(offset: number, claimedBytes: number): void {
    if (this.invalidAt !== undefined) return;
    this.invalidAt = offset;
    this.claimedBytes = claimedBytes;
  }

  /** All files were read. `redo` is the last release that any of them tells of. */
  finish(redo: number, blockBytes: number): ChainEnd | Damage {
    if (this.continuedIn !== undefined) {
      return {
        offset: 0,
        problem: `the file with sequence ${this.continuedIn}, which goes on after this one, is missing or its header is unreadable`,
      };
    }
    if (redo > this.position + 1) {
      return {
        offset: 0,
        problem: `the journal ends at position ${this.position}, but was released up to ${redo}: its end is missing`,
      };
    }
    const isEmpty = this.groupsInFile === 0;
    const cleanStop = !isEmpty && this.lastKind === GroupKind.End;
    const copyIsDue = isEmpty && this.file !== undefined && this.file.startPosition < this.position;
    return {
      position: this.position,
      nextOffset: isEmpty ? blockBytes : this.nextOffset,
      headerInDoubt: isEmpty && !this.announced,
      recordsInDoubt: copyIsDue || (!isEmpty && this.lastKind !== undefined && isData(this.lastKind)),
      cleanStop,
      tornBytes: cleanStop || this.invalidAt === undefined ? 0 : this.claimedBytes,
      unreadableMarks: this.unreadableMarks,
    };
  }

  private damage(offset: number, problem: string): GroupVerdict {
    return { kind: 'damage', damage: { offset, problem } };
  }
}
