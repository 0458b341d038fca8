import type { MetadataRecord } from './records';

/** Why a command was not carried out: a Kafka error code, and words that say what is wrong and what would be right. */
export interface Failure {
  readonly errorCode: number;
  readonly message: string;
}

/**
 * What a command comes to. Each entry is applied whole or not at all; entries are in order, and the metadata is sound after
 * any number of them. Nothing has happened until they are committed.
 */
export interface Decision<Answer> {
  readonly entries: readonly (readonly MetadataRecord[])[];
  readonly answer: Answer;
}

/** Most records that one entry holds where a command may be split; keeps entries well below a megabyte. */
export const RECORDS_PER_ENTRY_MAX = 2000;

export function failure(errorCode: number, message: string): Failure {
  return { errorCode, message };
}

export function answerOnly<Answer>(answer: Answer): Decision<Answer> {
  return { entries: [], answer };
}

/** Records that need not take effect together, in entries of bounded size. */
export function splitRecords(records: readonly MetadataRecord[]): readonly (readonly MetadataRecord[])[] {
  const entries: (readonly MetadataRecord[])[] = [];
  for (let at = 0; at < records.length; at += RECORDS_PER_ENTRY_MAX) entries.push(records.slice(at, at + RECORDS_PER_ENTRY_MAX));
  return entries;
}

/** Wholes that take effect each by itself, as many to an entry as its bound allows; a whole is never split. */
export function joinRecords(wholes: readonly (readonly MetadataRecord[])[]): readonly (readonly MetadataRecord[])[] {
  const entries: MetadataRecord[][] = [];
  let last: MetadataRecord[] | undefined;
  for (const whole of wholes) {
    if (last === undefined || last.length + whole.length > RECORDS_PER_ENTRY_MAX) entries.push((last = []));
    for (const record of whole) last.push(record);
  }
  return entries;
}
