import { describe, expect, it } from 'vitest';
import { storyVoterId, votersOf } from '@streamline/testing/raft-stories/exploration';
import { textEntry } from '@streamline/testing/raft-stories/story-node';
import type { Effect } from './effects';
import type { Input } from './inputs';
import { DEFAULT_RAFT_CONFIG } from './limits';
import type { Append, Message } from './messages';
import { Raft } from './raft';
import type { RaftConfig, RaftInit, VoterId } from './types';

const [one, two, three] = [1, 2, 3].map(storyVoterId) as [VoterId, VoterId, VoterId];
const NOT_LEADER = { kind: 'refused', reason: 'not-leader' };
const EMPTY_LOG = { baseIndex: 0, baseTerm: 0, lastIndex: 0, termRuns: [], configurations: [], recentEntries: [] };

/** A core of node 1 on its own, whose host does nothing unless it is told to. */
class Bench {
  readonly core: Raft;
  nowMs = 0;

  constructor(init: Partial<RaftInit> = {}, config: Partial<RaftConfig> = {}) {
    const defaults: RaftInit = {
      self: one,
      config: { ...DEFAULT_RAFT_CONFIG, ...config },
      seed: 1,
      incarnation: 7,
      hardState: { term: 0, votedFor: undefined, commitIndex: 0 },
      log: EMPTY_LOG,
      snapshot: undefined,
      bootstrap: votersOf([1, 2, 3]),
      appliedIndex: 0,
    };
    this.core = new Raft({ ...defaults, ...init }, { monotonicMs: 0, wallMs: 0 });
    this.step({ kind: 'tick' });
  }

  step(...inputs: Input[]): readonly Effect[] {
    return this.core.step(inputs, { monotonicMs: this.nowMs, wallMs: this.nowMs });
  }

  receive(message: Message): readonly Effect[] {
    return this.step({ kind: 'message', message });
  }

  /** Steps `persisted` for every persist effect among these. */
  persist(effects: readonly Effect[]): readonly Effect[] {
    const id = persists(effects).at(-1)?.persistId;
    return id === undefined ? [] : this.step({ kind: 'persisted', persistId: id });
  }

  /** Wins term 1 with the vote of node 2; the first entry is committed. */
  lead(): void {
    this.nowMs = this.core.nextDeadlineMs;
    this.step({ kind: 'tick' });
    const vote = { kind: 'vote-response', from: two, to: one, electionTerm: 1, granted: true } as const;
    this.persist(this.receive({ ...vote, term: 0, preVote: true }));
    this.persist(this.receive({ ...vote, term: 1, preVote: false }));
    this.accept(1);
  }

  accept(matchIndex: number): readonly Effect[] {
    return this.receive({ kind: 'append-accepted', from: two, to: one, term: this.core.status.term, matchIndex });
  }
}

function persists(effects: readonly Effect[]): Extract<Effect, { kind: 'persist' }>[] {
  return effects.filter((effect) => effect.kind === 'persist');
}

function sent(effects: readonly Effect[]): readonly Message[] {
  return effects.flatMap((effect) => (effect.kind === 'send' ? effect.messages : []));
}

function promised(effects: readonly Effect[]): readonly Message[] {
  return persists(effects).flatMap(({ messages }) => messages);
}

function append(previousIndex: number, previousTerm: number, terms: readonly number[], more: Partial<Append> = {}): Append {
  const entries = terms.map((term, at) => textEntry(previousIndex + 1 + at, term, 'x'));
  return { kind: 'append', from: two, to: one, term: 1, previousIndex, previousTerm, entries, commitIndex: 0, ...more };
}

function propose(bytes: number, requestId = 1): Input {
  return { kind: 'propose', requestId, proposals: [{ records: [new Uint8Array(bytes)] }], forward: false };
}

function outcomes(effects: readonly Effect[]): readonly unknown[] {
  return effects.flatMap((effect) => ('outcome' in effect ? [effect.outcome] : []));
}

describe('a core that starts', () => {
  it('refuses a log whose committed end is lost (RAFT-4, J-5)', () => {
    const log = { ...EMPTY_LOG, lastIndex: 5, termRuns: [{ firstIndex: 1, term: 1 }] };
    const hardState = { term: 1, votedFor: undefined, commitIndex: 6 };
    expect(() => new Bench({ log, hardState })).toThrow('its end was lost');
    expect(() => new Bench({ log, hardState: { ...hardState, commitIndex: 5 }, appliedIndex: 6 })).toThrow('its end was lost');
  });

  it('refuses a log of a later term than the one that is stored', () => {
    const log = { ...EMPTY_LOG, lastIndex: 5, termRuns: [{ firstIndex: 1, term: 3 }] };
    expect(() => new Bench({ log, hardState: { term: 2, votedFor: undefined, commitIndex: 0 } })).toThrow(
      'after the stored term 2',
    );
  });

  it('refuses a purged log without the state that it continues', () => {
    const log = { ...EMPTY_LOG, baseIndex: 10, baseTerm: 1, lastIndex: 10 };
    expect(() => new Bench({ log, hardState: { term: 1, votedFor: undefined, commitIndex: 10 } })).toThrow(
      'there is no snapshot',
    );
  });

  it('reads what is committed and not applied from the storage, in bounded pieces', () => {
    const log = { ...EMPTY_LOG, lastIndex: 5000, termRuns: [{ firstIndex: 1, term: 1 }] };
    const core = new Raft(
      {
        self: one,
        config: DEFAULT_RAFT_CONFIG,
        seed: 1,
        incarnation: 1,
        hardState: { term: 1, votedFor: undefined, commitIndex: 4000 },
        log,
        snapshot: undefined,
        bootstrap: votersOf([1, 2, 3]),
        appliedIndex: 100,
      },
      { monotonicMs: 0, wallMs: 0 },
    );
    const effects = core.step([{ kind: 'tick' }], { monotonicMs: 0, wallMs: 0 });
    expect(effects).toEqual([
      { kind: 'read-entries', readId: 1, firstIndex: 101, lastIndex: 1124, bytesMax: DEFAULT_RAFT_CONFIG.batchBytesMax },
    ]);
  });
});

describe('a vote', () => {
  const request = {
    kind: 'vote-request',
    from: two,
    to: one,
    preVote: false,
    lastIndex: 0,
    lastTerm: 0,
    transfer: false,
  } as const;

  it('leaves with the write that makes it durable and not before (RAFT-9)', () => {
    const bench = new Bench();
    const effects = bench.receive({ ...request, term: 1, electionTerm: 1 });
    expect(sent(effects)).toEqual([]);
    expect(persists(effects)[0]?.hardState).toEqual({ term: 1, votedFor: two, commitIndex: 0 });
    expect(promised(effects)).toMatchObject([{ kind: 'vote-response', granted: true, to: two, term: 1 }]);
  });

  it('is given again to the same candidate and to nobody else, also after a restart (RAFT-6)', () => {
    const bench = new Bench({ hardState: { term: 1, votedFor: two, commitIndex: 0 } });
    expect(sent(bench.receive({ ...request, term: 1, electionTerm: 1 }))).toMatchObject([{ granted: true }]);
    expect(sent(bench.receive({ ...request, from: three, term: 1, electionTerm: 1 }))).toMatchObject([{ granted: false }]);
  });

  it('waits for a write under way even if it was durable before', () => {
    const bench = new Bench({ hardState: { term: 1, votedFor: two, commitIndex: 0 } });
    bench.receive(append(0, 0, [1]));
    const effects = bench.receive({ ...request, term: 1, electionTerm: 1, lastIndex: 1, lastTerm: 1 });
    expect([sent(effects), persists(effects)[0]?.entries]).toEqual([[], []]);
    expect(promised(effects)).toMatchObject([{ kind: 'vote-response', granted: true }]);
  });

  it('of its own counts for a candidate only when it is durable (RAFT-6)', () => {
    const bench = new Bench({ bootstrap: votersOf([1]) });
    expect(bench.core.status.nodeState).toBe('Candidate');
    bench.step({ kind: 'persisted', persistId: 1 });
    expect(bench.core.status.nodeState).toBe('Leader');
  });
});

describe('a follower', () => {
  it('acknowledges entries with the write that makes them durable (RAFT-9, RAFT-20)', () => {
    const bench = new Bench();
    const effects = bench.receive(append(0, 0, [1, 1]));
    expect(sent(effects)).toEqual([]);
    expect(promised(effects)).toMatchObject([{ kind: 'append-accepted', matchIndex: 2 }]);
    expect(persists(effects)[0]?.entries.length).toBe(2);
  });

  it('answers a heartbeat while entries are being written', () => {
    const bench = new Bench();
    bench.persist(bench.receive(append(0, 0, [])));
    bench.receive(append(0, 0, [1]));
    const effects = bench.receive({ kind: 'heartbeat', from: two, to: one, term: 1, round: 3, commitIndex: 0 });
    expect(sent(effects)).toMatchObject([{ kind: 'heartbeat-response', round: 3 }]);
  });

  it('does not cut off what came after an append that arrives twice (paper 5.3)', () => {
    const bench = new Bench();
    bench.receive(append(0, 0, [1, 1, 1]));
    const effects = bench.receive(append(0, 0, [1]));
    expect(bench.core.status.lastIndex).toBe(3);
    expect(promised(effects)).toMatchObject([{ kind: 'append-accepted', matchIndex: 1 }]);
  });

  it('truncates from the first conflict on, in the write that has the new entries', () => {
    const bench = new Bench();
    bench.persist(bench.receive(append(0, 0, [1, 1, 1])));
    const effects = bench.receive(append(1, 1, [2], { term: 2, from: three }));
    expect(persists(effects)).toMatchObject([{ truncateAfter: 1, entries: [{ index: 2, term: 2 }], hardState: { term: 2 } }]);
    expect(bench.core.status.durableIndex).toBe(1);
  });

  it('applies what is committed once it is durable here (RAFT-5)', () => {
    const bench = new Bench();
    const effects = bench.receive(append(0, 0, [1], { commitIndex: 1 }));
    expect(effects.some(({ kind }) => kind === 'apply')).toBe(false);
    expect(bench.persist(effects)).toMatchObject([{ kind: 'apply', entries: [{ index: 1 }] }]);
  });

  it('takes no entry for committed that the append did not reach', () => {
    const bench = new Bench();
    bench.receive(append(0, 0, [1, 1, 1]));
    bench.receive(append(0, 0, [1], { commitIndex: 3 }));
    expect(bench.core.status.commitIndex).toBe(1);
  });

  it('tells who leads an earlier term that it is over', () => {
    const bench = new Bench({ hardState: { term: 5, votedFor: undefined, commitIndex: 0 } });
    expect(sent(bench.receive(append(0, 0, [])))).toMatchObject([{ kind: 'append-rejected', term: 5, to: two }]);
  });

  it('does not hear what is meant for another directory of its node (R-6)', () => {
    const bench = new Bench();
    const other = one.replace(/A$/, 'B') as VoterId;
    expect(bench.receive(append(0, 0, [1], { to: other }))).toEqual([]);
    expect(bench.core.status.term).toBe(0);
  });

  it('does not hear answers to the process before its restart', () => {
    const bench = new Bench();
    const response = { kind: 'read-response', from: two, to: one, term: 0, requestId: 1 } as const;
    const outcome = { kind: 'ready', index: 0 } as const;
    expect(bench.receive({ ...response, incarnation: 6, outcome })).toEqual([]);
    expect(outcomes(bench.receive({ ...response, incarnation: 7, outcome }))).toEqual([outcome]);
  });

  it('does not answer for a chunk of a snapshot that it could not write, and begins again', () => {
    const bench = new Bench();
    const snapshot = { id: 's', index: 9, term: 1, configuration: { index: 0, configuration: votersOf([1, 2, 3]) } };
    const chunk = {
      kind: 'snapshot-chunk',
      from: two,
      to: one,
      term: 1,
      snapshot,
      data: new Uint8Array(4),
      last: false,
    } as const;
    bench.receive({ ...chunk, offset: 0 });
    const failed = bench.step({ kind: 'snapshot-chunk-written', writeId: 1, written: false });
    expect([sent(failed), promised(failed)]).toEqual([[], []]);
    const again = bench.receive({ ...chunk, offset: 4 });
    expect([...sent(again), ...promised(again)]).toMatchObject([{ kind: 'snapshot-progress', nextOffset: 0 }]);
  });

  it('writes chunks one after the other, keeps few that wait, and answers each that is written', () => {
    const bench = new Bench({}, { inflightChunksMax: 2 });
    const snapshot = { id: 's', index: 9, term: 1, configuration: { index: 0, configuration: votersOf([1, 2, 3]) } };
    const receive = (offset: number, last = false): readonly Effect[] => {
      const chunk = { snapshot, offset, data: new Uint8Array(4), last };
      return bench.receive({ kind: 'snapshot-chunk', from: two, to: one, term: 1, ...chunk });
    };
    const told = (effects: readonly Effect[]): readonly Message[] => [...sent(effects), ...promised(effects)];
    const written = (writeId: number): readonly Effect[] =>
      bench.step({ kind: 'snapshot-chunk-written', writeId, written: true });
    expect(receive(0)).toContainEqual(expect.objectContaining({ kind: 'write-snapshot-chunk', offset: 0 }));
    // The second waits, of the third the leader hears when it sends it again, of the one behind it when the writes are done.
    expect([receive(4), receive(8), receive(12)]).toEqual([[], [], []]);
    const first = written(1);
    expect(told(first)).toMatchObject([{ kind: 'snapshot-progress', nextOffset: 4 }]);
    expect(first).toContainEqual(expect.objectContaining({ kind: 'write-snapshot-chunk', offset: 4 }));
    expect(told(written(2))).toMatchObject([{ kind: 'snapshot-progress', nextOffset: 8 }]);
    expect(told(receive(12))).toMatchObject([{ kind: 'snapshot-progress', nextOffset: 8 }]);
    expect(receive(8, true)).toMatchObject([{ kind: 'write-snapshot-chunk', offset: 8, last: true }]);
    expect(persists(written(3))).toMatchObject([{ installSnapshot: { id: 's' } }]);
  });

  it('takes no answer to a write that it gave up for one to the same snapshot later (RAFT-17)', () => {
    const bench = new Bench();
    const receive = (id: string, term: number): readonly Effect[] => {
      const snapshot = { id, index: 9, term: 1, configuration: { index: 0, configuration: votersOf([1, 2, 3]) } };
      const chunk = {
        kind: 'snapshot-chunk',
        from: two,
        to: one,
        snapshot,
        offset: 0,
        data: new Uint8Array(4),
        last: true,
      } as const;
      return bench.receive({ ...chunk, term });
    };
    receive('s', 1);
    receive('other', 2);
    expect(receive('s', 3)).toContainEqual(expect.objectContaining({ kind: 'write-snapshot-chunk', writeId: 3 }));
    expect(bench.step({ kind: 'snapshot-chunk-written', writeId: 1, written: true })).toEqual([]);
    const installed = bench.step({ kind: 'snapshot-chunk-written', writeId: 3, written: true });
    expect(persists(installed)).toMatchObject([{ installSnapshot: { id: 's' } }]);
  });

  it('lets nothing count of a snapshot before the write that installs it is durable (RAFT-17)', () => {
    const bench = new Bench();
    bench.persist(bench.receive(append(0, 0, [1, 1])));
    const snapshot = { id: 's', index: 9, term: 1, configuration: { index: 3, configuration: votersOf([1, 2]) } };
    bench.receive({
      kind: 'snapshot-chunk',
      from: two,
      to: one,
      term: 1,
      snapshot,
      offset: 0,
      data: new Uint8Array(4),
      last: true,
    });
    const effects = bench.step({ kind: 'snapshot-chunk-written', writeId: 1, written: true });
    expect(persists(effects)).toMatchObject([{ installSnapshot: { id: 's' }, entries: [], truncateAfter: undefined }]);
    expect(promised(effects)).toMatchObject([{ kind: 'append-accepted', matchIndex: 9 }]);
    expect(effects.some(({ kind }) => kind === 'restore')).toBe(false);
    expect(bench.persist(effects)).toMatchObject([{ kind: 'restore', snapshot: { id: 's' } }]);
    expect(bench.core.status.configuration.configuration.voters).toEqual([one, two]);
  });
});

describe('a snapshot of its own', () => {
  it('purges nothing where a later one was received meanwhile, which may not be installed durably yet (RAFT-17)', () => {
    const bench = new Bench({}, { snapshotIntervalLogs: 2 });
    bench.persist(bench.receive(append(0, 0, [1, 1], { commitIndex: 2 })));
    const taking = bench.step({ kind: 'applied', index: 2 }).find(({ kind }) => kind === 'take-snapshot');
    const snapshotId = taking?.kind === 'take-snapshot' ? taking.snapshot.id : '';
    const snapshot = { id: 's', index: 9, term: 1, configuration: { index: 0, configuration: votersOf([1, 2, 3]) } };
    const chunk = { snapshot, offset: 0, data: new Uint8Array(4), last: true };
    bench.receive({ kind: 'snapshot-chunk', from: two, to: one, term: 1, ...chunk });
    bench.step({ kind: 'snapshot-chunk-written', writeId: 1, written: true });
    expect(bench.core.status.snapshotIndex).toBe(9);
    expect(bench.step({ kind: 'snapshot-taken', snapshotId, taken: true })).toEqual([]);
    expect(bench.core.status.snapshotIndex).toBe(9);
  });

  it('is not taken of a state from before the newest one, though a follower waits: its membership is not known (RAFT-12)', () => {
    const log = { ...EMPTY_LOG, baseIndex: 2, baseTerm: 1, lastIndex: 6, termRuns: [{ firstIndex: 3, term: 1 }] };
    const snapshot = { id: 's', index: 5, term: 1, configuration: { index: 4, configuration: votersOf([1, 2]) } };
    const hardState = { term: 1, votedFor: undefined, commitIndex: 6 };
    const bench = new Bench({ log, snapshot, hardState, appliedIndex: 2, bootstrap: votersOf([1, 2]) });
    bench.nowMs = bench.core.nextDeadlineMs;
    bench.step({ kind: 'tick' });
    const vote = { kind: 'vote-response', from: two, to: one, electionTerm: 2, granted: true } as const;
    bench.persist(bench.receive({ ...vote, term: 1, preVote: true }));
    bench.persist(bench.receive({ ...vote, term: 2, preVote: false }));
    const rejected = {
      kind: 'append-rejected',
      from: two,
      to: one,
      term: 2,
      previousIndex: 6,
      hintIndex: 0,
      hintTerm: 0,
    } as const;
    const reading = bench.receive(rejected).find(({ kind }) => kind === 'read-snapshot-chunk');
    const readId = reading?.kind === 'read-snapshot-chunk' ? reading.readId : -1;
    expect(readId).toBeGreaterThan(0);
    const gone = bench.step({ kind: 'snapshot-chunk-read', readId, chunk: undefined });
    expect(gone.filter(({ kind }) => kind === 'take-snapshot')).toEqual([]);
    expect(
      bench.step({ kind: 'entries-read', readId: 1, entries: [3, 4, 5].map((index) => textEntry(index, 1, 'x')) }),
    ).toMatchObject([{ kind: 'apply' }]);
    expect(bench.step({ kind: 'applied', index: 5 })).toContainEqual(
      expect.objectContaining({
        kind: 'take-snapshot',
        snapshot: expect.objectContaining({ index: 5, configuration: snapshot.configuration }),
      }),
    );
  });
});

describe('a learner', () => {
  it('campaigns while a candidate asks it that needs its longer log, and leads until that is committed (RAFT-13)', () => {
    const { members } = votersOf([1, 2, 3]);
    const bootstrap = { members, voters: [two, three], outgoingVoters: [], learners: [one] };
    const bench = new Bench({ bootstrap });
    bench.persist(bench.receive(append(0, 0, [1, 1])));
    const wait = (): readonly Effect[] => {
      bench.nowMs = bench.core.nextDeadlineMs;
      return bench.step({ kind: 'tick' });
    };
    expect(sent(wait())).toEqual([]);
    const request = {
      kind: 'vote-request',
      from: two,
      to: one,
      term: 1,
      preVote: true,
      electionTerm: 2,
      transfer: false,
    } as const;
    expect(sent(bench.receive({ ...request, lastIndex: 1, lastTerm: 1 }))).toMatchObject([{ granted: false }]);
    expect(sent(wait()).map(({ kind }) => kind)).toEqual(['vote-request', 'vote-request']);

    const vote = { kind: 'vote-response', to: one, electionTerm: 2, granted: true } as const;
    for (const from of [two, three]) bench.receive({ ...vote, from, term: 1, preVote: true });
    bench.persist(bench.step());
    for (const from of [two, three]) bench.persist(bench.receive({ ...vote, from, term: 2, preVote: false }));
    expect(bench.core.status).toMatchObject({ nodeState: 'Leader', term: 2, lastIndex: 3 });
    bench.receive({ kind: 'append-accepted', from: three, to: one, term: 2, matchIndex: 3 });
    expect(sent(bench.accept(3))).toContainEqual(expect.objectContaining({ kind: 'timeout-now', to: two }));
    expect(bench.core.status).toMatchObject({ nodeState: 'Learner', commitIndex: 3 });
  });
});

describe('a leader', () => {
  it('sends entries while it writes them, and counts itself when they are written (thesis 10.2.1, RAFT-20)', () => {
    const bench = new Bench({ bootstrap: votersOf([1, 2]) });
    bench.lead();
    const effects = bench.step(propose(10));
    expect(sent(effects)).toMatchObject([{ kind: 'append', entries: [{ index: 2 }] }]);
    bench.accept(2);
    expect(bench.core.status.commitIndex).toBe(1);
    bench.persist(effects);
    expect(bench.core.status.commitIndex).toBe(2);
  });

  it('refuses more than may wait for a majority, and takes it again when that was committed (RAFT-19)', () => {
    const bench = new Bench({}, { uncommittedBytesMax: 1000 });
    bench.lead();
    expect(outcomes(bench.step(propose(800)))).toMatchObject([{ kind: 'appended', firstIndex: 2 }]);
    expect(outcomes(bench.step(propose(800)))).toEqual([{ kind: 'refused', reason: 'busy' }]);
    bench.accept(2);
    const { commitIndex, durableIndex } = bench.core.status;
    expect([commitIndex, durableIndex]).toEqual([1, 1]);
    bench.receive({ kind: 'append-accepted', from: three, to: one, term: 1, matchIndex: 2 });
    expect(outcomes(bench.step(propose(800)))).toMatchObject([{ kind: 'appended', firstIndex: 3 }]);
  });

  it('refuses an entry that is too large, and all that came with it', () => {
    const bench = new Bench({}, { entryBytesMax: 500 });
    bench.lead();
    const proposals = [{ records: [new Uint8Array(1)] }, { records: [new Uint8Array(500)] }];
    const effects = bench.step({ kind: 'propose', requestId: 1, proposals, forward: false });
    expect(outcomes(effects)).toEqual([{ kind: 'refused', reason: 'too-large' }]);
    expect(bench.core.status.lastIndex).toBe(1);
  });

  it('keeps no more appends on the way to a peer than it may (RAFT-19)', () => {
    const bench = new Bench({}, { inflightAppendsMax: 3 });
    bench.lead();
    const toTwo = Array.from({ length: 10 }, (_, at) => sent(bench.step(propose(10, at))).filter(({ to }) => to === two)).flat();
    expect(toTwo.filter(({ kind }) => kind === 'append').length).toBe(3);
    const freed = sent(bench.accept(3)).filter(({ to, kind }) => to === two && kind === 'append');
    expect(freed).toMatchObject([
      { entries: [{ index: 5 }, { index: 6 }, { index: 7 }, { index: 8 }, { index: 9 }, { index: 10 }, { index: 11 }] },
    ]);
  });

  it('asks the storage for entries that are no longer in memory, once a peer', () => {
    const bench = new Bench({}, { windowEntriesMax: 2 });
    bench.lead();
    for (let index = 2; index <= 9; index++) {
      bench.persist(bench.step(propose(10)));
      bench.accept(index);
    }
    const accepted = { kind: 'append-accepted', from: three, to: one, term: 1, matchIndex: 1 } as const;
    const reads = bench.receive(accepted).filter(({ kind }) => kind === 'read-entries');
    expect(reads).toMatchObject([{ firstIndex: 2, lastIndex: 7 }]);
    expect(bench.receive(accepted)).toEqual([]);
    const entries = [2, 3, 4].map((index) => textEntry(index, 1, 'x'));
    const effects = bench.step({ kind: 'entries-read', readId: 1, entries });
    expect(sent(effects)).toMatchObject([{ kind: 'append', to: three, previousIndex: 1, entries }]);
    expect(effects).toMatchObject([{ kind: 'read-entries', firstIndex: 5, lastIndex: 7 }, { kind: 'send' }]);
  });

  it('takes an empty answer for entries that were purged while its peer came past them (RAFT-3)', () => {
    const bench = new Bench(
      {},
      {
        windowEntriesMax: 2,
        windowBytesMax: 1,
        snapshotIntervalLogs: 9,
        maxLogsInSnapshot: 0,
        purgeBatchSize: 1,
        inflightAppendsMax: 1,
      },
    );
    bench.lead();
    bench.step({ kind: 'applied', index: 1 });
    const accepted = { kind: 'append-accepted', from: three, to: one, term: 1 } as const;
    let effects: readonly Effect[] = [];
    for (let index = 2; index <= 9; index++) {
      bench.persist(bench.step(propose(10)));
      effects = bench.accept(index);
      if (index < 9) bench.step({ kind: 'applied', index });
    }
    const read = bench.receive({ ...accepted, matchIndex: 1 }).find(({ kind }) => kind === 'read-entries');
    expect(read).toMatchObject({ firstIndex: 2 });
    expect(effects.some(({ kind }) => kind === 'apply')).toBe(true);
    bench.receive({ ...accepted, matchIndex: 9 });
    const taking = bench.step({ kind: 'applied', index: 9 }).find(({ kind }) => kind === 'take-snapshot');
    const snapshotId = taking?.kind === 'take-snapshot' ? taking.snapshot.id : '';
    expect(bench.step({ kind: 'snapshot-taken', snapshotId, taken: true })).toMatchObject([{ kind: 'purge', index: 9 }]);
    const readId = read?.kind === 'read-entries' ? read.readId : 0;
    expect(() => bench.step({ kind: 'entries-read', readId, entries: [] })).not.toThrow();
  });

  it('reads a damaged snapshot, and takes another in its place, at its own pace while the disk is full', () => {
    const snapshot = { id: 's', index: 5, term: 1, configuration: { index: 1, configuration: votersOf([1, 2, 3]) } };
    const log = { ...EMPTY_LOG, baseIndex: 5, baseTerm: 1, lastIndex: 5 };
    const bench = new Bench({ snapshot, log, appliedIndex: 5, hardState: { term: 1, votedFor: undefined, commitIndex: 5 } });
    bench.nowMs = bench.core.nextDeadlineMs;
    bench.step({ kind: 'tick' });
    const vote = { kind: 'vote-response', from: two, to: one, electionTerm: 2, granted: true } as const;
    bench.persist(bench.receive({ ...vote, term: 1, preVote: true }));
    let effects = bench.persist(bench.receive({ ...vote, term: 2, preVote: false }));
    effects = bench.receive({
      kind: 'append-rejected',
      from: two,
      to: one,
      term: 2,
      previousIndex: 5,
      hintIndex: 0,
      hintTerm: 0,
    });
    const attempts = { reads: 0, takings: 0 };
    const answersOf = (effect: Effect): Input[] => {
      if (effect.kind === 'read-snapshot-chunk') {
        attempts.reads++;
        return [{ kind: 'snapshot-chunk-read', readId: effect.readId, chunk: undefined }];
      }
      if (effect.kind !== 'take-snapshot') return [];
      attempts.takings++;
      return [{ kind: 'snapshot-taken', snapshotId: effect.snapshot.id, taken: false }];
    };
    for (let turns = 0; turns < 20; turns++) effects = bench.step(...effects.flatMap(answersOf));
    expect(attempts).toEqual({ reads: 2, takings: 1 });
    bench.nowMs += DEFAULT_RAFT_CONFIG.electionTimeoutMinMs;
    for (let turns = 0; turns < 20; turns++) effects = bench.step(...effects.flatMap(answersOf));
    expect(attempts.takings).toBe(2);
  });

  it('refuses reads above its bound, and those that wait when it steps down', () => {
    const bench = new Bench({}, { pendingReadsMax: 2 });
    bench.lead();
    const reads = [1, 2, 3].flatMap((requestId) => outcomes(bench.step({ kind: 'read-index', requestId })));
    expect(reads).toEqual([{ kind: 'refused', reason: 'busy' }]);
    const effects = bench.receive(append(1, 1, [], { term: 2, from: three }));
    expect(outcomes(effects)).toEqual([NOT_LEADER, NOT_LEADER]);
  });

  it('steps down when a majority was silent for an election timeout, and says so', () => {
    const bench = new Bench();
    bench.lead();
    bench.nowMs += DEFAULT_RAFT_CONFIG.electionTimeoutMaxMs;
    expect(bench.step({ kind: 'tick' })).toMatchObject([{ kind: 'leadership', leads: false, leaderId: undefined }]);
  });

  it('steps down when its disk is silent for an election timeout, for another to lead (J-9), unless it decides alone', () => {
    const bench = new Bench({ bootstrap: votersOf([1, 2]) });
    bench.lead();
    bench.step(propose(10));
    bench.nowMs += DEFAULT_RAFT_CONFIG.electionTimeoutMaxMs;
    bench.receive({ kind: 'heartbeat-response', from: two, to: one, term: 1, round: 0 });
    bench.step({ kind: 'tick' });
    expect(bench.core.status.nodeState).toBe('Follower');
    const alone = new Bench({ bootstrap: votersOf([1]) });
    alone.step({ kind: 'persisted', persistId: 1 });
    alone.nowMs += 10 * DEFAULT_RAFT_CONFIG.electionTimeoutMaxMs;
    alone.step({ kind: 'tick' });
    alone.step({ kind: 'persisted', persistId: 2 });
    expect([alone.core.status.nodeState, alone.core.status.commitIndex]).toEqual(['Leader', 1]);
  });

  it('does not take another node for the leader of its term (RAFT-1)', () => {
    const bench = new Bench();
    bench.lead();
    expect(() => bench.receive(append(1, 1, []))).toThrow('RAFT-1');
  });
});
