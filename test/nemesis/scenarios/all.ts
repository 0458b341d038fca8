import { followerKill, fullKill, leaderKill, pauseNode, rollingRestart, snapshotRejoin } from './crashes';
import { followerIsolated, leaderIsolated, minority, oneWay } from './cuts';
import { failingDisk, fullDisk, powerLoss, powerLossOne, wipedDisk } from './disk-faults';
import { membership } from './membership';
import { reassignment } from './reassignment';
import type { Scenario } from './scenario';

export const SCENARIOS: readonly Scenario[] = [
  leaderKill,
  followerKill,
  pauseNode,
  leaderIsolated,
  followerIsolated,
  minority,
  oneWay,
  rollingRestart,
  fullKill,
  snapshotRejoin,
  powerLoss,
  powerLossOne,
  wipedDisk,
  fullDisk,
  failingDisk,
  membership,
  reassignment,
];
