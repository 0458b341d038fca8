import type { BootstrapCluster } from '@streamline/core/metadata/cluster';
import type { ClusterId, DirectoryId, NodeId } from '@streamline/core/types/ids';
import type { ControllerEvents } from '@streamline/runtime/controller/controller-role';
import { ControllerRole } from '@streamline/runtime/controller/controller-role';
import type { MetadataLog } from '@streamline/runtime/controller/metadata-log';
import type { OpenedLog } from '@streamline/runtime/controller/open-single-voter-log';
import { openSingleVoterLog } from '@streamline/runtime/controller/open-single-voter-log';
import type { GroupWrite } from '@streamline/runtime/journal/journal-options';
import type { Clock } from '@streamline/runtime/ports/clock';
import type { Disk } from '@streamline/runtime/ports/disk';
import type { Random } from '@streamline/runtime/ports/random';
import { openRocksStore } from '@streamline/runtime/rocks/rocks-store';

export interface ControllerRoleSettings {
  readonly clock: Clock;
  readonly random: Random;
  readonly disk: Disk;
  /** The role's own directory, absolute; it exists and is locked by this process. */
  readonly directory: string;
  readonly journalDirectory: string;
  readonly onJournalGroup: (write: GroupWrite) => void;
  readonly nodeId: NodeId;
  readonly directoryId: DirectoryId;
  readonly expectedClusterId: ClusterId | undefined;
  readonly bootstrap: BootstrapCluster | undefined;
  readonly snapshotIntervalLogs: number;
  readonly maxLogsInSnapshot: number;
  readonly events: ControllerEvents;
}

export interface RunningController {
  readonly role: ControllerRole;
  readonly log: MetadataLog;
  readonly journal: OpenedLog['journal'];
  /** A clean stop: commands that began are answered, then everything is on disk and closed. */
  stop(): Promise<void>;
}

/** Opens the controller's directory and takes up its work. What was opened is closed again where that fails. */
export async function createControllerRole(settings: ControllerRoleSettings): Promise<RunningController> {
  const opened = await openSingleVoterLog({ ...settings, onGroup: settings.onJournalGroup, openStore: openRocksStore });
  try {
    const role = await ControllerRole.start({ ...settings, log: opened.log, committed: opened.committed });
    return {
      role,
      log: opened.log,
      journal: opened.journal,
      stop: async () => {
        await role.stop();
        await opened.close();
      },
    };
  } catch (error) {
    await opened.close();
    throw error;
  }
}
