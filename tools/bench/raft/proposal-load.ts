import { randomBytes } from 'node:crypto';
import type { Proposal } from '@streamline/core/raft/types';
import type { RaftDriver } from '@streamline/runtime/raft/raft-driver';
import type { Applied } from '@streamline/runtime/raft/state-machine';
import { LatencyLog } from '../scenarios/percentiles';
import type { ClosedLoad, LoadResult, PacedLoad } from './protocol';

const DEADLINE_MS = 10_000;
/** So that a proposal that is refused is not tried again at once. */
const PAUSE_MS = 10;

/** Proposes at the node that leads, in its own process, as the controller does; one entry a call. */
export class ProposalLoad {
  readonly #latencies = new LatencyLog();
  #proposals = 0;
  #failures = 0;
  #windowFromMs = performance.now();
  #groupsBefore = 0;

  /** `groups` tells how many writes of the journal there were so far. */
  constructor(
    private readonly driver: RaftDriver<Applied>,
    private readonly groups: () => number,
  ) {}

  async run({ entryBytes, outstanding, warmUpMs, runMs }: ClosedLoad): Promise<LoadResult> {
    const proposals = proposalsOf(entryBytes);
    let isOver = false;
    const loop = async (): Promise<void> => {
      while (!isOver) {
        if (!(await this.#propose(proposals, performance.now()))) await pause(PAUSE_MS);
      }
    };
    const loops = Array.from({ length: outstanding }, loop);
    await pause(warmUpMs);
    this.#begin();
    await pause(runMs);
    const result = this.takeWindow();
    isOver = true;
    await Promise.all(loops);
    return result;
  }

  /** For ever. Latencies count from when a proposal was due, so that a process that is late does not hide it. */
  begin({ entryBytes, perSecond }: PacedLoad): void {
    const proposals = proposalsOf(entryBytes);
    const distanceMs = 1_000 / perSecond;
    let dueMs = performance.now();
    setInterval(() => {
      const nowMs = performance.now();
      for (; dueMs <= nowMs; dueMs += distanceMs) void this.#propose(proposals, dueMs);
    }, 1);
    this.#begin();
  }

  /** What was measured since the last time, or since the beginning. */
  takeWindow(): LoadResult {
    const window = { startedAtMs: this.#windowFromMs, endedAtMs: performance.now() };
    const { p50Ms, p99Ms, maxMs } = this.#latencies.percentiles();
    const result: LoadResult = {
      proposals: this.#proposals,
      failures: this.#failures,
      windowMs: window.endedAtMs - window.startedAtMs,
      ...{ p50Ms, p99Ms, maxMs },
      groups: this.groups() - this.#groupsBefore,
      window: { startedAtMs: onMachine(window.startedAtMs), endedAtMs: onMachine(window.endedAtMs) },
    };
    this.#begin();
    return result;
  }

  #begin(): void {
    this.#latencies.clear();
    [this.#proposals, this.#failures] = [0, 0];
    this.#groupsBefore = this.groups();
    this.#windowFromMs = performance.now();
  }

  async #propose(proposals: readonly Proposal[], fromMs: number): Promise<boolean> {
    const reply = await this.driver.propose(proposals, { deadlineMs: DEADLINE_MS, forward: false });
    if (reply.kind !== 'applied') {
      this.#failures++;
      return false;
    }
    this.#proposals++;
    this.#latencies.add(performance.now() - fromMs);
    return true;
  }
}

function proposalsOf(entryBytes: number): readonly Proposal[] {
  return [{ records: [randomBytes(entryBytes)] }];
}

/** The clock that profiles are on, which all processes share. */
function onMachine(processMs: number): number {
  return Number(process.hrtime.bigint()) / 1e6 - (performance.now() - processMs);
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
