/** A write failed, or the journal was closed: nothing more is acknowledged, and the process is to exit (J-9). */
export class JournalFailedError extends Error {
  override readonly name = 'JournalFailedError';
}

/** The files say that acknowledged records are missing or changed: the journal is not opened (J-5). */
export class JournalDamagedError extends Error {
  override readonly name = 'JournalDamagedError';

  constructor(
    readonly path: string,
    readonly offset: number,
    readonly problem: string,
  ) {
    super(
      `journal file ${path} is damaged at offset ${offset}: ${problem}. Nothing was changed. ` +
        'Restore the directory from a copy, or, where other replicas hold its data, move it away and let this node copy everything again',
    );
  }
}

/** The files are of a format that this version does not know. */
export class JournalFormatError extends Error {
  override readonly name = 'JournalFormatError';

  constructor(
    readonly path: string,
    readonly formatVersion: number,
    readonly knownVersion: number,
  ) {
    super(
      `journal file ${path} has format version ${formatVersion}, this version of Streamline knows ${knownVersion}: ` +
        'start the version that wrote it',
    );
  }
}
