import { readFileSync } from 'node:fs';
import { RaftInvariantError } from '@streamline/core/raft/invariant';
import { JournalDamagedError, JournalFailedError, JournalFormatError } from '@streamline/runtime/journal/journal-error';
import { ControllerStartError } from '@streamline/runtime/controller/controller-role';
import { FormationRefusedError } from '@streamline/runtime/controller/formation';
import { ImageUnreadableError } from '@streamline/runtime/controller/image-store';
import { ImageFormatError } from '@streamline/runtime/controller/metadata-image';
import { MetadataLogError } from '@streamline/runtime/controller/open-metadata-log';
import { LogError } from '@streamline/runtime/log/log-error';
import { ForeignClusterError } from '@streamline/runtime/metadata/following-replica';
import { UnknownRecordError } from '@streamline/runtime/metadata/record-codec';
import { BrokerRefusedError } from '@streamline/runtime/partitions/broker-session';
import { RaftFormatError, RaftStorageError } from '@streamline/runtime/raft/raft-storage';
import { formatAddress, type Address } from '../config/address';
import { ExitCode } from '../config/exit-codes';
import type { NodeConfig } from '../config/schema';
import type { Logger } from 'pino';
import { StartupError } from './startup-error';

/** What an explanation may refer to. */
export interface FailureContext {
  readonly config: Pick<NodeConfig, 'listenAddr' | 'httpAddr' | 'interBrokerAddr'>;
  /** The text of /etc/os-release, for the right package manager; read when needed. */
  readonly osRelease?: string;
}

export interface Explanation {
  readonly exitCode: ExitCode;
  /** One sentence without a full stop. */
  readonly message: string;
  /** What to do. */
  readonly remedy: string;
}

const CAUSE_DEPTH_MAX = 8;
const LISTEN_CODES = /\b(EADDRINUSE|EADDRNOTAVAIL|EACCES|ENOTFOUND|EAI_AGAIN)\b/;
const DISK_CODES: ReadonlySet<string> = new Set(['ENOSPC', 'EDQUOT', 'EIO', 'EROFS']);

/** An error with its causes, outermost first. */
function chainOf(error: unknown): readonly Error[] {
  const chain: Error[] = [];
  for (let one = error; one instanceof Error && chain.length < CAUSE_DEPTH_MAX; one = one.cause) chain.push(one);
  return chain;
}

function codeOf(error: Error): string | undefined {
  return 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}

const LISTENERS = [
  ['--listen-addr', 'listenAddr'],
  ['--http-addr', 'httpAddr'],
  ['--inter-broker-addr', 'interBrokerAddr'],
] as const;

const LISTEN_REASONS: Readonly<Record<string, string>> = {
  EADDRINUSE: 'is in use by another process',
  EADDRNOTAVAIL: 'is no address of this machine',
  EACCES: 'may not be used by this user (ports below 1024 need a privilege)',
  ENOTFOUND: 'names a host that is not known',
  EAI_AGAIN: 'names a host that cannot be looked up now',
};

/** Why an address cannot be listened on, with the flag to change. `cause` is the platform's error. */
export function addressUnavailable(flag: string, address: Address, cause: unknown): StartupError {
  const code = chainOf(cause)
    .map((error) => LISTEN_CODES.exec(`${codeOf(error) ?? ''} ${error.message}`)?.[1])
    .find(Boolean);
  const reason = LISTEN_REASONS[code ?? ''] ?? `cannot be listened on: ${cause instanceof Error ? cause.message : String(cause)}`;
  const remedy =
    code === 'EADDRINUSE'
      ? `Stop that process (ss -ltnp 'sport = :${address.port}' shows it), or choose another address with ${flag}.`
      : `Choose another address with ${flag}.`;
  return new StartupError(ExitCode.ADDRESS_UNAVAILABLE, `${formatAddress(address)} ${reason}`, remedy, { cause });
}

/** A failed listen of which nobody said what flag it was about: told by its port. */
function listenFailure(chain: readonly Error[], { config }: FailureContext): StartupError | undefined {
  for (const error of chain) {
    if ('syscall' in error && error.syscall !== 'listen' && error.syscall !== 'getaddrinfo') continue;
    const isListen = 'syscall' in error || error.name === 'ListenError' || /EADDRINUSE|EADDRNOTAVAIL/.test(error.message);
    if (!isListen || !LISTEN_CODES.test(`${codeOf(error) ?? ''} ${error.message}`)) continue;
    const found = LISTENERS.find(([, key]) => {
      const { port } = config[key];
      return ('port' in error && error.port === port) || new RegExp(`:${port}\\b`).test(error.message);
    });
    if (found !== undefined) return addressUnavailable(found[0], config[found[1]], error);
  }
  return undefined;
}

function readOsRelease(): string {
  try {
    return readFileSync('/etc/os-release', 'utf8');
  } catch {
    return '';
  }
}

function installCommand(osRelease: string): string {
  const ids = [...osRelease.matchAll(/^(?:ID|ID_LIKE)="?([^"\n]*)"?$/gm)].flatMap((match) => (match[1] ?? '').split(' '));
  if (ids.includes('alpine')) return 'apk add libatomic';
  if (ids.includes('fedora') || ids.includes('rhel')) return 'dnf install libatomic';
  if (ids.includes('arch')) return 'pacman -S gcc-libs';
  if (ids.includes('suse') || ids.includes('opensuse')) return 'zypper install libatomic1';
  return 'apt-get install libatomic1';
}

function missingLibrary(chain: readonly Error[], context: FailureContext): Explanation | undefined {
  const text = chain.map(({ message }) => message).join('\n');
  const library = /(lib[\w+.-]+\.so[.\d]*): cannot open shared object file/.exec(text)?.[1];
  if (library === undefined) return undefined;
  const command = library.startsWith('libatomic') ? installCommand(context.osRelease ?? readOsRelease()) : undefined;
  return {
    exitCode: ExitCode.LIBRARY_MISSING,
    message: `the system library ${library}, which RocksDB needs, is not installed`,
    remedy: command === undefined ? `Install the package that holds ${library}.` : `Install it: ${command}`,
  };
}

function damage(chain: readonly Error[]): Explanation | undefined {
  for (const error of chain) {
    const damaged = error instanceof JournalDamagedError || (error instanceof LogError && error.kind === 'damaged');
    if (damaged) return { exitCode: ExitCode.LOG_DAMAGED, message: error.message, remedy: 'docs/exit-codes.md tells more.' };
    if (error instanceof JournalFormatError) {
      return { exitCode: ExitCode.DIRECTORY_UNREADABLE, message: error.message, remedy: 'Nothing was changed.' };
    }
  }
  return undefined;
}

const LOST_LOG_ERRORS = [MetadataLogError, RaftStorageError, RaftInvariantError, ControllerStartError];

/** The metadata log, or the controller that it belongs to, is not what this directory or this version can go on from. */
function metadataFailure(chain: readonly Error[]): Explanation | undefined {
  for (const error of chain) {
    if (LOST_LOG_ERRORS.some((kind) => error instanceof kind)) {
      return { exitCode: ExitCode.LOG_DAMAGED, message: withoutStop(error.message), remedy: 'Nothing was changed.' };
    }
    if (error instanceof ImageUnreadableError) {
      return { exitCode: ExitCode.LOG_DAMAGED, message: withoutStop(error.message), remedy: error.remedy };
    }
    if (error instanceof RaftFormatError || error instanceof ImageFormatError || error instanceof UnknownRecordError) {
      return {
        exitCode: ExitCode.DIRECTORY_UNREADABLE,
        message: withoutStop(error.message),
        remedy: 'Nothing was changed. If a newer version of Streamline wrote the metadata, start that one, or a later one.',
      };
    }
    if (error instanceof ForeignClusterError) {
      const remedy = 'Point this node to its own cluster with --controller-addrs.';
      return { exitCode: ExitCode.WRONG_DIRECTORY, message: withoutStop(error.message), remedy };
    }
    if (error instanceof BrokerRefusedError) {
      return {
        exitCode: ExitCode.WRONG_DIRECTORY,
        message: `the controller refuses this broker: ${withoutStop(error.message)}`,
        remedy: 'Point this node to its own cluster with --controller-addrs, or give it a --data-dir of its own.',
      };
    }
  }
  return undefined;
}

function withoutStop(sentence: string): string {
  return sentence.replace(/\.$/, '');
}

function diskFailure(chain: readonly Error[]): Explanation | undefined {
  const failed = chain.find((error) => error instanceof JournalFailedError || DISK_CODES.has(codeOf(error) ?? ''));
  if (failed === undefined) return undefined;
  const details = [...new Set(chain.map(({ message }) => message))].join(': ');
  return {
    exitCode: ExitCode.DISK_FAILED,
    message: `the disk refused a write: ${details}`,
    remedy: 'Check the disk (free space, kernel log) and start again: everything that was acknowledged is read back.',
  };
}

/** What is wrong with the files that a node finds, or with their disk; undefined where it is something else. */
export function explainStoredState(error: unknown): Explanation | undefined {
  const chain = chainOf(error);
  return damage(chain) ?? metadataFailure(chain) ?? diskFailure(chain);
}

/** A node that no cluster takes as it was started. */
function clusterRefusal(chain: readonly Error[]): Explanation | undefined {
  const refused = chain.find((error) => error instanceof FormationRefusedError);
  if (refused === undefined) return undefined;
  return { exitCode: ExitCode.CLUSTER_REFUSED, message: withoutStop(refused.message), remedy: refused.remedy };
}

/** Turns whatever ended a node into an exit code, a sentence and what to do. */
export function explainFailure(error: unknown, context: FailureContext): Explanation {
  const chain = chainOf(error);
  const known = chain.find((one) => one instanceof StartupError) ?? listenFailure(chain, context);
  if (known !== undefined) return { exitCode: known.exitCode, message: known.message, remedy: known.remedy };
  return (
    clusterRefusal(chain) ??
    explainStoredState(error) ??
    missingLibrary(chain, context) ?? {
      exitCode: ExitCode.UNEXPECTED,
      message: `unexpected error: ${error instanceof Error ? error.message : String(error)}`,
      remedy: 'This is a defect of Streamline: please report it. Data that was acknowledged is safe; start again.',
    }
  );
}

/** Failures whose message says all: a stack trace would only hide it. */
const EXPLAINED: ReadonlySet<ExitCode> = new Set<ExitCode>([
  ExitCode.USAGE,
  ExitCode.DIRECTORY_LOCKED,
  ExitCode.WRONG_DIRECTORY,
  ExitCode.DIRECTORY_UNREADABLE,
  ExitCode.ADDRESS_UNAVAILABLE,
  ExitCode.LIBRARY_MISSING,
  ExitCode.CERTIFICATE_UNUSABLE,
  ExitCode.CLUSTER_REFUSED,
]);

/** Tells the log why a node ends, and returns the exit code to end with. */
export function reportFailure(logger: Pick<Logger, 'fatal'>, error: unknown, context: FailureContext): ExitCode {
  const { exitCode, message, remedy } = explainFailure(error, context);
  logger.fatal(EXPLAINED.has(exitCode) ? { exitCode } : { exitCode, err: error }, `${message}. ${remedy}`);
  return exitCode;
}
