/** What happened in simulations of the whole controller. Over the fixed seeds every one has to be met. */
export class ClusterCounters {
  clustersBegun = 0;
  elections = 0;
  learnersAdded = 0;
  promotions = 0;
  demotions = 0;
  removals = 0;
  removalsRefused = 0;
  removalsNoticed = 0;
  removedRejoins = 0;
  wipedDirectories = 0;
  wipedRejoins = 0;
  invitations = 0;
  waits = 0;
  startsRefused = 0;
  otherSeeds = 0;
  addressChanges = 0;
  transfersDone = 0;
  transfersFailed = 0;
  redirects = 0;
  snapshotsTaken = 0;
  snapshotsInstalled = 0;
  imagesCompared = 0;
  commands = 0;
  commandsAcknowledged = 0;
  commandsRefused = 0;
  commandsUnknown = 0;
  retries = 0;
  forwards = 0;
  forwardsCancelled = 0;
  foundOwnEffect = 0;
  topicsCreated = 0;
  topicsDeleted = 0;
  partitionsAdded = 0;
  configChanges = 0;
  producerIdBlocks = 0;
  registrations = 0;
  newDisks = 0;
  registrationsLost = 0;
  unregistrations = 0;
  brokersSilent = 0;
  brokersGone = 0;
  controlledShutdowns = 0;
  partitionLeaderChanges = 0;
  isrProposals = 0;
  isrGrown = 0;
  isrShrunk = 0;
  isrRefused = 0;
  cleanStops = 0;
  kills = 0;
  powerLosses = 0;
  fullRestarts = 0;
  pauses = 0;
  failedWrites = 0;
  slowDisks = 0;
  tornGroups = 0;
  keptGroups = 0;
  partitions = 0;
  isolatedLeaders = 0;
  oneWayCuts = 0;
  clockDrifts = 0;
  wallClockSteps = 0;
  messagesSent = 0;
  messagesLost = 0;
  messagesDuplicated = 0;
  messagesReordered = 0;
  cloggedQueues = 0;
  connectionsRefused = 0;
  callsCarried = 0;
  callsStalled = 0;
  callsBroken = 0;
  callsRefused = 0;
  callsLate = 0;
  identitiesRefused = 0;

  add(other: ClusterCounters): void {
    for (const [name, count] of Object.entries(other)) Reflect.set(this, name, Number(Reflect.get(this, name)) + Number(count));
  }

  /** Names of what never happened. */
  get zeros(): readonly string[] {
    return Object.entries(this).flatMap(([name, count]) => (count === 0 ? [name] : []));
  }
}
