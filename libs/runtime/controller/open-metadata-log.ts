import { join } from 'node:path';
import { DEFAULT_RAFT_CONFIG, EMPTY_CONFIGURATION } from '@streamline/core/raft/limits';
import type { RaftConfig, VoterId } from '@streamline/core/raft/types';
import { voterId } from '@streamline/core/raft/types';
import type { ClusterId, DirectoryId, NodeId } from '@streamline/core/types/ids';
import type { JournalOptions } from '@streamline/runtime/journal/journal-options';
import type { Clock } from '@streamline/runtime/ports/clock';
import type { Disk } from '@streamline/runtime/ports/disk';
import type { Journal } from '@streamline/runtime/ports/journal';
import type { Random } from '@streamline/runtime/ports/random';
import type { OpenStore } from '@streamline/runtime/rocks/key-value-store';
import type { DiskRaftStorage } from '../raft/disk-raft-storage';
import { NoPeers } from '../raft/no-peers';
import { openRaftStorage, RAFT_JOURNAL, type RaftJournalSize } from '../raft/open-raft-storage';
import { RaftDriver, type RaftDriverOptions } from '../raft/raft-driver';
import type { RecoveredRaft } from '../raft/raft-storage';
import type { RaftTransport } from '../raft/raft-transport';
import type { Applied } from '../raft/state-machine';
import { CommittedMetadata } from './committed-metadata';
import { ImageStore } from './image-store';
import { MetadataMachine } from './metadata-machine';
import { RaftMetadataLog } from './raft-metadata-log';

/** Committed entries kept for followers are never more bytes than this. */
const WINDOW_BYTES_MAX = 16 * 1024 * 1024;
/** A part of the journal that entries under way may take, so that there is always room for the next. */
const JOURNAL_SHARE = 4;

/** What is on disk is not one unbroken metadata log of this node: the start is refused, and nothing is changed. */
export class MetadataLogError extends Error {
  override readonly name = 'MetadataLogError';
}

export interface OpenLogOptions {
  readonly disk: Disk;
  readonly clock: Clock;
  readonly random: Random;
  /** The controller role's own directory, absolute; it must exist. The image, log and snapshots lie in it. */
  readonly directory: string;
  /** Where the journal lies; `journal` in that directory by default. */
  readonly journalDirectory?: string | undefined;
  readonly nodeId: NodeId;
  readonly directoryId: DirectoryId;
  /** The cluster that the directory is known to belong to. */
  readonly expectedClusterId?: ClusterId | undefined;
  readonly openStore: OpenStore;
  /** Told when the disk is too full for the image to be written (false), and when it is written again (true). */
  readonly onImageRoom?: (hasRoom: boolean) => void;
  /** Something went wrong that loses nothing: a snapshot that could not be written. */
  readonly onLogProblem?: (error: Error) => void;
  /** The metadata was taken from a snapshot of this index: the log up to there is purged, here (disk) or at the leader. */
  readonly onSnapshotRestored?: (index: number, from: 'disk' | 'leader') => void;
  /** The guide's snapshot_interval_logs: entries between two snapshots. */
  readonly snapshotIntervalLogs: number;
  /** The guide's max_logs_in_snapshot: entries kept behind a snapshot, and in memory for followers. */
  readonly maxLogsInSnapshot: number;
  /** The other settings of Raft; DEFAULT_RAFT_CONFIG where they are left out. */
  readonly raft?: Partial<RaftConfig>;
  /** Where peers reach this node, host:port; for the cluster that begins here. */
  readonly address?: string;
  /** Asked for an empty directory: `undefined` begins a cluster here. By default it always does. */
  readonly form?: () => Promise<JoinedCluster | undefined>;
  /** Makes the way to the other members; without it there are none. */
  readonly connect?: (identity: MemberIdentity) => RaftTransport;
  /** Called after each group of the journal that holds records, for metrics. */
  readonly onGroup?: JournalOptions['onGroup'];
  /** RAFT_JOURNAL by default. */
  readonly journalSize?: RaftJournalSize;
  /** `RaftDriver.start` by default; a simulation watches what goes through it. */
  readonly startDriver?: (options: RaftDriverOptions<Applied>) => RaftDriver<Applied>;
}

/** What a node without data has become a part of. */
export interface JoinedCluster {
  readonly clusterId: ClusterId;
  /** How often it was recovered from the loss of its majority, as a number that only grows. */
  readonly clusterEpoch: number;
}

/** Who a member is towards its peers. */
export interface MemberIdentity {
  readonly self: VoterId;
  /** Undefined until the member belongs to a cluster. */
  clusterId(): ClusterId | undefined;
  /** Of members of another epoch nothing is taken. */
  clusterEpoch(): number;
  /** Where peers reach this member, host:port. */
  readonly address: string;
  /** By which clocks it goes. */
  readonly timing: Pick<RaftConfig, 'heartbeatIntervalMs' | 'electionTimeoutMinMs' | 'electionTimeoutMaxMs'>;
}

export interface OpenedLog {
  readonly log: RaftMetadataLog;
  /** The cluster that the log is known to belong to. */
  readonly clusterId: ClusterId | undefined;
  readonly clusterEpoch: number;
  readonly committed: CommittedMetadata;
  /** How full the journal is, for metrics. */
  readonly journal: Pick<Journal, 'usedBytes' | 'capacityBytes'>;
  /** From now on the directory belongs to this cluster, and no other one starts on it. */
  bindCluster(clusterId: ClusterId): Promise<void>;
  /** A clean stop of the log, then of the image. */
  close(): Promise<void>;
}

interface OpenedImage {
  readonly store: ImageStore;
  readonly committed: CommittedMetadata;
}

/**
 * Opens the metadata log with the image of what it has applied, both at once. A node that is the only voter leads when this
 * resolves.
 * Fails with MetadataLogError, RaftStorageError, RaftFormatError, ImageFormatError, UnknownRecordError or the journal's errors
 * where what is on disk must not be used.
 */
export async function openMetadataLog(options: OpenLogOptions): Promise<OpenedLog> {
  let onStoreFailure: (error: Error) => void = () => undefined;
  const openingImage = openImage(options, (error) => onStoreFailure(error));
  const openingStorage = openStorage(options, async (recovered) => reconcile((await openingImage).committed, recovered));
  const [image, storage] = await bothOrNone(openingImage, openingStorage);
  let driver: RaftDriver<Applied> | undefined;
  try {
    const { clock, random, nodeId, directoryId, address = '', connect, startDriver = RaftDriver.start<Applied> } = options;
    const ownIndex = storage.recovered.snapshot?.index;
    const machine = new MetadataMachine(image.committed, (index) => {
      options.onSnapshotRestored?.(index, index === ownIndex ? 'disk' : 'leader');
    });
    const self = voterId(nodeId, directoryId);
    const config = configOf(options);
    const identity = {
      ...{ self, address, timing: config },
      clusterId: () => storage.clusterId,
      clusterEpoch: () => storage.clusterEpoch,
    };
    const transport = connect?.(identity) ?? new NoPeers();
    driver = startDriver({ clock, random, self, config, storage, machine, transport });
    const log = new RaftMetadataLog({ clock, nodeId, driver, storage, machine });
    onStoreFailure = (error) => log.fail(error);
    const { voters } = driver.status.configuration.configuration;
    if (voters.length === 1 && voters[0] === self) await log.whenLeading();
    return {
      log,
      get clusterId() {
        return storage.clusterId;
      },
      get clusterEpoch() {
        return storage.clusterEpoch;
      },
      committed: image.committed,
      journal: storage.journal,
      bindCluster: (clusterId) => storage.bindCluster(clusterId),
      close: () => close(log, image),
    };
  } catch (error) {
    driver?.kill();
    await Promise.allSettled([storage.close(), image.store.close()]);
    throw error;
  }
}

/** The image is brought up to what was applied, so that the next start replays nothing; a full disk is not waited for. */
async function close(log: RaftMetadataLog, { committed, store }: OpenedImage): Promise<void> {
  committed.stopWaitingForRoom();
  await log.close();
  await committed.makeDurable().catch((error: unknown) => log.fail(error instanceof Error ? error : new Error(String(error))));
  await store.close();
}

function configOf({ snapshotIntervalLogs, maxLogsInSnapshot, raft, journalSize = RAFT_JOURNAL }: OpenLogOptions): RaftConfig {
  const underWayBytes = Math.floor((journalSize.fileBytes * journalSize.fileCount) / JOURNAL_SHARE);
  const config = { ...DEFAULT_RAFT_CONFIG, ...raft, snapshotIntervalLogs, maxLogsInSnapshot };
  return {
    ...config,
    uncommittedBytesMax: Math.min(config.uncommittedBytesMax, underWayBytes),
    inflightBytesMax: Math.min(config.inflightBytesMax, underWayBytes),
  };
}

function openStorage(options: OpenLogOptions, judge: (recovered: RecoveredRaft) => Promise<void>): Promise<DiskRaftStorage> {
  const { nodeId, directoryId, expectedClusterId, onLogProblem, address = '', form } = options;
  const self = voterId(nodeId, directoryId);
  const alone = { members: [{ id: self, address }], voters: [self], outgoingVoters: [], learners: [] };
  return openRaftStorage({
    ...options,
    clusterId: expectedClusterId,
    bootstrap: alone,
    form:
      form &&
      (async () => {
        const joined = await form();
        return joined === undefined ? { clusterId: undefined, bootstrap: alone } : { ...joined, bootstrap: EMPTY_CONFIGURATION };
      }),
    judge,
    ...(onLogProblem && { onProblem: onLogProblem }),
  });
}

async function openImage(options: OpenLogOptions, onFailure: (error: Error) => void): Promise<OpenedImage> {
  const { disk, clock, directory, openStore, onImageRoom = () => undefined } = options;
  const store = await ImageStore.open({ disk, path: join(directory, 'image'), open: openStore });
  try {
    const window = { entriesMax: options.maxLogsInSnapshot, bytesMax: WINDOW_BYTES_MAX };
    return { store, committed: await CommittedMetadata.load({ store, clock, window, onFailure, onRoom: onImageRoom }) };
  } catch (error) {
    await store.close();
    throw error;
  }
}

/** An image that the log does not bear out is thrown away where the log can build it anew (S-12). */
async function reconcile(committed: CommittedMetadata, recovered: RecoveredRaft): Promise<void> {
  const { log } = recovered;
  const { index } = committed.applied;
  if (index > log.lastIndex) {
    if (log.lastIndex === 0) {
      throw new MetadataLogError(
        `The metadata image is at index ${index}, but the log ends at ${log.lastIndex}: the controller's journal was lost or replaced. ` +
          "Restore the controller's directory as a whole from a copy.",
      );
    }
    await committed.reset();
  }
  checkReach(committed.applied.index, recovered);
}

/** Fails with MetadataLogError where an image at this index cannot be brought up to date: the log no longer goes back so far. */
export function checkReach(index: number, { log, snapshot }: RecoveredRaft): void {
  if (index < log.baseIndex && snapshot === undefined) {
    throw new MetadataLogError(
      `The metadata image is at index ${index}, but the log was released up to ${log.baseIndex}: the image directory was lost or replaced. ` +
        "Restore the controller's directory as a whole from a copy.",
    );
  }
}

/** Both, or the first failure once what the other one opened is closed again. */
async function bothOrNone(
  openingImage: Promise<OpenedImage>,
  openingStorage: Promise<DiskRaftStorage>,
): Promise<[OpenedImage, DiskRaftStorage]> {
  const [image, storage] = await Promise.allSettled([openingImage, openingStorage]);
  if (image.status === 'fulfilled' && storage.status === 'fulfilled') return [image.value, storage.value];
  if (image.status === 'fulfilled') await image.value.store.close();
  if (storage.status === 'fulfilled') await storage.value.close();
  throw image.status === 'rejected' ? image.reason : storage.status === 'rejected' ? storage.reason : new Error('unreachable');
}
