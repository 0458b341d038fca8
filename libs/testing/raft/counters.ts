/** What happened in simulations. Over the fixed seeds every one has to be met, or the simulation does not show what it claims. */
export class SimulationCounters {
  elections = 0;
  splitVotes = 0;
  preVotesOnly = 0;
  truncations = 0;
  snapshotsTaken = 0;
  snapshotsFailed = 0;
  snapshotsInstalled = 0;
  snapshotTransfersDropped = 0;
  snapshotChecksumFailures = 0;
  snapshotWriteFaults = 0;
  snapshotSyncFaults = 0;
  damagedSnapshots = 0;
  restores = 0;
  purges = 0;
  learnersAdded = 0;
  promotions = 0;
  demotions = 0;
  removals = 0;
  leadersRemoved = 0;
  jointChanges = 0;
  addressChanges = 0;
  changesRefused = 0;
  changesUnknown = 0;
  wipedDisks = 0;
  transfersDone = 0;
  transfersTimedOut = 0;
  transfersRefused = 0;
  proposals = 0;
  proposalsApplied = 0;
  proposalsForwarded = 0;
  proposalsLost = 0;
  proposalsRefused = 0;
  proposalsBusy = 0;
  retries = 0;
  duplicatesFiltered = 0;
  sessionsForgotten = 0;
  reads = 0;
  readsAtFollowers = 0;
  readsRefused = 0;
  proposalsAtDeposedLeaders = 0;
  readsAtDeposedLeaders = 0;
  kills = 0;
  powerLosses = 0;
  crashesWithinTurns = 0;
  fullRestarts = 0;
  pauses = 0;
  failedWrites = 0;
  slowDisks = 0;
  tornGroups = 0;
  keptGroups = 0;
  bitFlipsRefused = 0;
  partitions = 0;
  isolatedLeaders = 0;
  oneWayCuts = 0;
  messagesSent = 0;
  messagesLost = 0;
  messagesDuplicated = 0;
  messagesReordered = 0;
  messagesEncoded = 0;
  cloggedQueues = 0;
  connectionsRefused = 0;
  clockDrifts = 0;
  wallClockSteps = 0;
  readsFromDisk = 0;
  emptyReadsFromDisk = 0;
  warmRestarts = 0;

  add(other: SimulationCounters): void {
    for (const [name, count] of Object.entries(other)) Reflect.set(this, name, Number(Reflect.get(this, name)) + Number(count));
  }

  /** Names of what never happened, but for what need not. */
  zerosExcept(neverCounts: readonly string[]): readonly string[] {
    return Object.entries(this)
      .filter(([name, count]) => count === 0 && !neverCounts.includes(name))
      .map(([name]) => name);
  }
}
