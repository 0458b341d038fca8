import { ClusterCounters } from '@streamline/testing/cluster/counters';

/** What only simulations of the whole controller have happen. */
const ELSEWHERE: ReadonlySet<string> = new Set<keyof ClusterCounters>([
  'demotions',
  'removalsRefused',
  'invitations',
  'startsRefused',
  'otherSeeds',
  'addressChanges',
  'transfersDone',
  'transfersFailed',
  'redirects',
  'commands',
  'commandsAcknowledged',
  'commandsRefused',
  'commandsUnknown',
  'retries',
  'foundOwnEffect',
  'configChanges',
  'producerIdBlocks',
  'registrations',
  'registrationsLost',
  'unregistrations',
  'isrProposals',
  'isrRefused',
  'cloggedQueues',
  'identitiesRefused',
]);

/** What happened in simulations of the whole data plane. */
export class DataCounters extends ClusterCounters {
  streamsDialled = 0;
  streamsOpened = 0;
  streamsStalled = 0;
  streamsBroken = 0;
  batchesSent = 0;
  batchesSentAgain = 0;
  writesAcknowledged = 0;
  writesAtLeaderAcknowledged = 0;
  writesRefused = 0;
  writesUnanswered = 0;
  refusedOutOfOrder = 0;
  notEnoughReplicas = 0;
  fetches = 0;
  fetchesOfFollowers = 0;
  fetchesRefused = 0;
  recordsDelivered = 0;
  joins = 0;
  generations = 0;
  rebalances = 0;
  commits = 0;
  commitsAcknowledged = 0;
  commitsRefused = 0;
  commitsOfOldGenerations = 0;
  offsetReads = 0;
  readsOfDeposed = 0;
  coordinatorMoves = 0;
  leaderEpochs = 0;
  failovers = 0;
  eligibleReplicas = 0;
  truncations = 0;
  truncatedRecords = 0;
  replicasCompared = 0;
  fullPowerLosses = 0;
  clientCuts = 0;
  failedSyncs = 0;
  fullDisks = 0;
  reassignments = 0;
  reassignmentsDone = 0;
  preferredElections = 0;
  minIsrChanges = 0;
  movesCancelled = 0;
  removalsCalledOff = 0;
  /** Of topics with page-cache durability. */
  writesInPageCache = 0;
  uncleanElections = 0;
  /** Elections after which acknowledged records may be missing, and how many are. */
  possibleLosses = 0;
  recordsLost = 0;
  producersRenewed = 0;
  readersSetBack = 0;
  deletions = 0;
  deletionsRefused = 0;
  deletedRecords = 0;
  deletionsUndone = 0;
  /** To and of topics that come and go. */
  briefWrites = 0;
  briefReads = 0;
  /** Of logs that were given up. */
  logsBegunAnew = 0;
  logsRecovered = 0;

  override get zeros(): readonly string[] {
    return super.zeros.filter((name) => !ELSEWHERE.has(name));
  }
}
