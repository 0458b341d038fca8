/** How often everything happened that a run is to provoke. What stays at zero over many seeds was not tested. */
export class ReplicationCounters {
  kills = 0;
  powerLosses = 0;
  fullPowerLosses = 0;
  cleanStops = 0;
  pauses = 0;
  wipedDisks = 0;
  slowDisks = 0;
  fullDisks = 0;
  appendsWithoutSpace = 0;
  pushesWithoutSpace = 0;
  replicasFull = 0;
  replicasWhole = 0;
  leadersHandedOver = 0;
  cuts = 0;
  oneWayCuts = 0;
  isolatedLeaders = 0;
  isolatedFollowers = 0;
  controllerCuts = 0;
  streamsBroken = 0;
  messagesLost = 0;
  messagesLate = 0;
  lateProposals = 0;
  fencings = 0;
  leadersCutOff = 0;
  leadersBack = 0;
  elections = 0;
  eligibleElections = 0;
  lastLeaderElections = 0;
  uncleanElections = 0;
  possibleLosses = 0;
  preferredElections = 0;
  reassignmentsBegun = 0;
  reassignmentsDone = 0;
  shrinks = 0;
  expands = 0;
  proposalsRefused = 0;
  proposalsUncertain = 0;
  withdrawals = 0;
  hellos = 0;
  earlyHellos = 0;
  refusedHellos = 0;
  truncations = 0;
  freshStarts = 0;
  rebases = 0;
  batchesTruncated = 0;
  pushes = 0;
  announcements = 0;
  catchUpPushes = 0;
  windowsFull = 0;
  highWatermarkResets = 0;
  logStartsMoved = 0;
  acknowledgedByAll = 0;
  acknowledgedByLeader = 0;
  notEnoughReplicas = 0;
  notLeader = 0;
  clientTimeouts = 0;
  duplicatesAnswered = 0;
  batchesConsumed = 0;
  batchesConsumedFromFollowers = 0;

  add(other: ReplicationCounters): void {
    for (const [name, count] of Object.entries(other)) Reflect.set(this, name, Number(Reflect.get(this, name)) + Number(count));
  }

  /** Names of what never happened. */
  get zeros(): readonly string[] {
    return Object.entries(this)
      .filter(([, count]) => count === 0)
      .map(([name]) => name);
  }
}
