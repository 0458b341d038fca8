import { produce } from './apis/00-produce';
import { fetch } from './apis/01-fetch';
import { listOffsets } from './apis/02-list-offsets';
import { metadata } from './apis/03-metadata';
import { offsetCommit } from './apis/08-offset-commit';
import { offsetFetch } from './apis/09-offset-fetch';
import { findCoordinator } from './apis/10-find-coordinator';
import { joinGroup } from './apis/11-join-group';
import { heartbeat } from './apis/12-heartbeat';
import { leaveGroup } from './apis/13-leave-group';
import { syncGroup } from './apis/14-sync-group';
import { describeGroups } from './apis/15-describe-groups';
import { listGroups } from './apis/16-list-groups';
import { saslHandshake } from './apis/17-sasl-handshake';
import { apiVersions } from './apis/18-api-versions';
import { createTopics } from './apis/19-create-topics';
import { deleteTopics } from './apis/20-delete-topics';
import { deleteRecords } from './apis/21-delete-records';
import { initProducerId } from './apis/22-init-producer-id';
import { offsetForLeaderEpoch } from './apis/23-offset-for-leader-epoch';
import { addPartitionsToTxn } from './apis/24-add-partitions-to-txn';
import { addOffsetsToTxn } from './apis/25-add-offsets-to-txn';
import { endTxn } from './apis/26-end-txn';
import { writeTxnMarkers } from './apis/27-write-txn-markers';
import { txnOffsetCommit } from './apis/28-txn-offset-commit';
import { describeAcls } from './apis/29-describe-acls';
import { createAcls } from './apis/30-create-acls';
import { deleteAcls } from './apis/31-delete-acls';
import { describeConfigs } from './apis/32-describe-configs';
import { alterConfigs } from './apis/33-alter-configs';
import { alterReplicaLogDirs } from './apis/34-alter-replica-log-dirs';
import { describeLogDirs } from './apis/35-describe-log-dirs';
import { saslAuthenticate } from './apis/36-sasl-authenticate';
import { createPartitions } from './apis/37-create-partitions';
import { createDelegationToken } from './apis/38-create-delegation-token';
import { renewDelegationToken } from './apis/39-renew-delegation-token';
import { expireDelegationToken } from './apis/40-expire-delegation-token';
import { describeDelegationToken } from './apis/41-describe-delegation-token';
import { deleteGroups } from './apis/42-delete-groups';
import { electLeaders } from './apis/43-elect-leaders';
import { incrementalAlterConfigs } from './apis/44-incremental-alter-configs';
import { alterPartitionReassignments } from './apis/45-alter-partition-reassignments';
import { listPartitionReassignments } from './apis/46-list-partition-reassignments';
import { offsetDelete } from './apis/47-offset-delete';
import { describeClientQuotas } from './apis/48-describe-client-quotas';
import { alterClientQuotas } from './apis/49-alter-client-quotas';
import { describeUserScramCredentials } from './apis/50-describe-user-scram-credentials';
import { alterUserScramCredentials } from './apis/51-alter-user-scram-credentials';
import { describeQuorum } from './apis/55-describe-quorum';
import { updateFeatures } from './apis/57-update-features';
import { describeCluster } from './apis/60-describe-cluster';
import { describeProducers } from './apis/61-describe-producers';
import { unregisterBroker } from './apis/64-unregister-broker';
import { describeTransactions } from './apis/65-describe-transactions';
import { listTransactions } from './apis/66-list-transactions';
import { consumerGroupHeartbeat } from './apis/68-consumer-group-heartbeat';
import { consumerGroupDescribe } from './apis/69-consumer-group-describe';
import { getTelemetrySubscriptions } from './apis/71-get-telemetry-subscriptions';
import { pushTelemetry } from './apis/72-push-telemetry';
import { listConfigResources } from './apis/74-list-config-resources';
import { describeTopicPartitions } from './apis/75-describe-topic-partitions';
import { shareGroupHeartbeat } from './apis/76-share-group-heartbeat';
import { shareGroupDescribe } from './apis/77-share-group-describe';
import { shareFetch } from './apis/78-share-fetch';
import { shareAcknowledge } from './apis/79-share-acknowledge';
import { addRaftVoter } from './apis/80-add-raft-voter';
import { removeRaftVoter } from './apis/81-remove-raft-voter';
import { initializeShareGroupState } from './apis/83-initialize-share-group-state';
import { readShareGroupState } from './apis/84-read-share-group-state';
import { writeShareGroupState } from './apis/85-write-share-group-state';
import { deleteShareGroupState } from './apis/86-delete-share-group-state';
import { readShareGroupStateSummary } from './apis/87-read-share-group-state-summary';
import { streamsGroupHeartbeat } from './apis/88-streams-group-heartbeat';
import { streamsGroupDescribe } from './apis/89-streams-group-describe';
import { describeShareGroupOffsets } from './apis/90-describe-share-group-offsets';
import { alterShareGroupOffsets } from './apis/91-alter-share-group-offsets';
import { deleteShareGroupOffsets } from './apis/92-delete-share-group-offsets';
import { streamsGroupTopologyDescriptionUpdate } from './apis/93-streams-group-topology-description-update';
import { unregisterController } from './apis/94-unregister-controller';
import type { AnyApi } from './schema/api';

/** Every API that a broker of Kafka 4.4 serves, by ascending key. */
export const apis = [
  produce,
  fetch,
  listOffsets,
  metadata,
  offsetCommit,
  offsetFetch,
  findCoordinator,
  joinGroup,
  heartbeat,
  leaveGroup,
  syncGroup,
  describeGroups,
  listGroups,
  saslHandshake,
  apiVersions,
  createTopics,
  deleteTopics,
  deleteRecords,
  initProducerId,
  offsetForLeaderEpoch,
  addPartitionsToTxn,
  addOffsetsToTxn,
  endTxn,
  writeTxnMarkers,
  txnOffsetCommit,
  describeAcls,
  createAcls,
  deleteAcls,
  describeConfigs,
  alterConfigs,
  alterReplicaLogDirs,
  describeLogDirs,
  saslAuthenticate,
  createPartitions,
  createDelegationToken,
  renewDelegationToken,
  expireDelegationToken,
  describeDelegationToken,
  deleteGroups,
  electLeaders,
  incrementalAlterConfigs,
  alterPartitionReassignments,
  listPartitionReassignments,
  offsetDelete,
  describeClientQuotas,
  alterClientQuotas,
  describeUserScramCredentials,
  alterUserScramCredentials,
  describeQuorum,
  updateFeatures,
  describeCluster,
  describeProducers,
  unregisterBroker,
  describeTransactions,
  listTransactions,
  consumerGroupHeartbeat,
  consumerGroupDescribe,
  getTelemetrySubscriptions,
  pushTelemetry,
  listConfigResources,
  describeTopicPartitions,
  shareGroupHeartbeat,
  shareGroupDescribe,
  shareFetch,
  shareAcknowledge,
  addRaftVoter,
  removeRaftVoter,
  initializeShareGroupState,
  readShareGroupState,
  writeShareGroupState,
  deleteShareGroupState,
  readShareGroupStateSummary,
  streamsGroupHeartbeat,
  streamsGroupDescribe,
  describeShareGroupOffsets,
  alterShareGroupOffsets,
  deleteShareGroupOffsets,
  streamsGroupTopologyDescriptionUpdate,
  unregisterController,
] as const satisfies readonly AnyApi[];

/** Finds the API of a request: `apisByKey.get(header.apiKey)`. */
export const apisByKey: ReadonlyMap<number, AnyApi> = new Map(apis.map((api) => [api.key, api]));
