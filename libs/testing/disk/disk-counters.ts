/** What happened to a disk and its clones: a test that needs a case asserts that it was met. */
export class DiskCounters {
  operations = 0;
  powerLosses = 0;
  kills = 0;
  /** Writes that were not durable at a power loss, by what became of them. */
  lostWrites = 0;
  tornWrites = 0;
  keptWrites = 0;
  /** Names (created, renamed, unlinked) that were not durable at a power loss, by what became of them. */
  droppedNames = 0;
  keptNames = 0;
  faults = 0;
  flippedBits = 0;
}
