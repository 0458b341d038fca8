/** Running totals of the groups' host, for metrics. */
export interface GroupCounters {
  committedOffsets: number;
  expiredOffsets: number;
  completedRebalances: number;
  loadedRecords: number;
  rewrittenLogs: number;
}

export function newGroupCounters(): GroupCounters {
  return { committedOffsets: 0, expiredOffsets: 0, completedRebalances: 0, loadedRecords: 0, rewrittenLogs: 0 };
}
