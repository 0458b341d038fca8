/** Exit codes of `streamline`; scripts and service managers may rely on them (docs/exit-codes.md is made from here). */
export const ExitCode = {
  OK: 0,
  UNEXPECTED: 1,
  USAGE: 2,
  DIRECTORY_LOCKED: 3,
  WRONG_DIRECTORY: 4,
  DIRECTORY_UNREADABLE: 5,
  ADDRESS_UNAVAILABLE: 6,
  LOG_DAMAGED: 7,
  DISK_FAILED: 8,
  LIBRARY_MISSING: 9,
  STOP_INCOMPLETE: 10,
  CERTIFICATE_UNUSABLE: 11,
  CLUSTER_REFUSED: 12,
} as const;

export type ExitCode = (typeof ExitCode)[keyof typeof ExitCode];

export interface ExitCodeDoc {
  readonly code: string;
  readonly meaning: string;
  /** What an operator does about it. */
  readonly remedy: string;
}

const DOCS: Readonly<Record<keyof typeof ExitCode, Omit<ExitCodeDoc, 'code'>>> = {
  OK: { meaning: 'Stopped as asked, everything flushed; or a command that printed its answer.', remedy: 'None needed.' },
  UNEXPECTED: {
    meaning: 'An error that nobody foresaw.',
    remedy: 'Read the last log line and report it. The data is safe: start again.',
  },
  USAGE: {
    meaning: 'A flag, environment variable or configuration file is wrong. Every problem is listed.',
    remedy: 'Correct what is named. Starting again without a change does not help.',
  },
  DIRECTORY_LOCKED: {
    meaning: 'Another process uses the data directory; the message names its process id.',
    remedy: 'Stop that process, or give this node a directory of its own with --data-dir.',
  },
  WRONG_DIRECTORY: {
    meaning: 'The data directory belongs to another node ID or to another cluster.',
    remedy: 'Start with the node ID that the message names. Do not change node_id values between restarts.',
  },
  DIRECTORY_UNREADABLE: {
    meaning: 'The data directory cannot be used: written by a newer version, damaged, not a directory, or without permission.',
    remedy: 'Do what the message says; never delete files in it to make a start pass.',
  },
  ADDRESS_UNAVAILABLE: {
    meaning: 'An address to listen on is taken, not of this machine, or not permitted; the message names its flag.',
    remedy: 'Stop what uses it, or choose another address with that flag.',
  },
  LOG_DAMAGED: {
    meaning:
      'The journal or the metadata log is damaged before its end, or missing (journal_dir). Nothing was cut away or begun anew.',
    remedy: 'Keep the directory as it is and follow the message; restore the disk or a copy of it.',
  },
  DISK_FAILED: {
    meaning: 'The disk refused a write or a sync, so that nothing more could be acknowledged, or a stop could not finish.',
    remedy: 'Check the disk (space, kernel log), then start again: what was acknowledged is read back.',
  },
  LIBRARY_MISSING: {
    meaning: 'A system library that a native module needs is not installed.',
    remedy: 'Run the command that the message prints.',
  },
  STOP_INCOMPLETE: {
    meaning: 'The stop took longer than stop_timeout_ms and was cut short.',
    remedy: 'The next start recovers as after a crash. Raise stop_timeout_ms if this happens again.',
  },
  CERTIFICATE_UNUSABLE: {
    meaning:
      'A certificate or key of inter_broker_tls is missing, unreadable, expired or does not fit; the message names the setting.',
    remedy: 'Put the right file there (docs/tls.md), then start again.',
  },
  CLUSTER_REFUSED: {
    meaning:
      'The cluster does not let this node in (its id is in use, it was removed or left out of a recovery, its disk was replaced or is a copy, its version is too old, its settings of Raft do not fit), or its seed nodes contradict each other.',
    remedy: 'Do what the message says. Starting again without a change does not help.',
  },
};

/** One row for each code, and one for what the operating system and a second signal add. */
export function exitCodeDocs(): readonly ExitCodeDoc[] {
  const own = Object.entries(ExitCode).map(([name, code]) => ({ code: String(code), ...DOCS[name as keyof typeof ExitCode] }));
  const signals = {
    code: '128 + n',
    meaning: 'Ended at once by signal n: a second SIGINT (130) or SIGTERM (143) during a stop, or kill -9 (137).',
    remedy: 'The next start recovers; nothing acknowledged is lost.',
  };
  return [...own, signals];
}
