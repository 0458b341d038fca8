import { recordTable } from './coordinator-record';
import { shareSnapshotRecord } from './share/00-share-snapshot';
import { shareUpdateRecord } from './share/01-share-update';

/** The records of __share_group_state by the type that their key begins with. */
export const shareRecords = recordTable([shareSnapshotRecord, shareUpdateRecord]);
