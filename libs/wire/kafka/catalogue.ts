import { apis } from './api-table';
import { groupRecords } from './coordinator/group-records';
import { shareRecords } from './coordinator/share-records';
import { transactionRecords } from './coordinator/transaction-records';
import { requestHeader, responseHeader } from './headers';
import { abortedTxn } from './payloads/aborted-txn';
import { consumerProtocolAssignment } from './payloads/consumer-protocol-assignment';
import { consumerProtocolSubscription } from './payloads/consumer-protocol-subscription';
import { controlRecordTypeSchema } from './payloads/control-record-type-schema';
import { defaultPrincipalData } from './payloads/default-principal-data';
import { endTxnMarker } from './payloads/end-txn-marker';
import { kRaftVersionRecord } from './payloads/kraft-version-record';
import { leaderChangeMessage } from './payloads/leader-change-message';
import { snapshotFooterRecord } from './payloads/snapshot-footer-record';
import { snapshotHeaderRecord } from './payloads/snapshot-header-record';
import { votersRecord } from './payloads/voters-record';
import type { AnyMessage } from './schema/message';

const payloads = [
  abortedTxn,
  consumerProtocolAssignment,
  consumerProtocolSubscription,
  controlRecordTypeSchema,
  defaultPrincipalData,
  endTxnMarker,
  kRaftVersionRecord,
  leaderChangeMessage,
  snapshotFooterRecord,
  snapshotHeaderRecord,
  votersRecord,
];

const coordinatorRecords = [...groupRecords.values(), ...shareRecords.values(), ...transactionRecords.values()];

/** Every message of this folder by Kafka's name for it: for tests and tools, which treat them all alike. */
export const catalogue: ReadonlyMap<string, AnyMessage> = new Map(
  [
    requestHeader,
    responseHeader,
    ...apis.flatMap((api): AnyMessage[] => [api.request, api.response]),
    ...payloads,
    ...coordinatorRecords.flatMap((record) => [record.key, record.value]),
  ].map((message) => [message.name, message]),
);
