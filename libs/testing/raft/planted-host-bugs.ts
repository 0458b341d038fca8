import type { RaftStorage } from '@streamline/runtime/raft/raft-storage';
import * as disks from '@streamline/testing/journal/planted-bugs';
import { patchedHost } from './patched-core';
import type { Patch } from './patched-core';
import { shippedNode } from './shipped-node';
import type { PlantedPorts } from './shipped-node';
import type { NodeKind } from './simulated-process';

/** A bug in what is shipped around the core. */
export interface PlantedHostBug extends PlantedPorts {
  readonly does: string;
  readonly seedsMax: number;
  /** Lines of driver and storage. */
  readonly patches?: readonly Patch[];
}

/** The node that has the bug. Where driver and storage are bundled anew for it the core's own assertions are off. */
export async function shippedNodeWith({ patches, ...ports }: Omit<PlantedHostBug, 'does' | 'seedsMax'>): Promise<NodeKind> {
  return shippedNode(patches === undefined ? ports : { ...(await patchedHost(patches)), ...ports });
}

function host(does: string, seedsMax: number, file: string, find: string, instead: string): PlantedHostBug {
  return { does, seedsMax, patches: [{ file, find, instead }] };
}

/** The storage with some of its methods replaced. */
function withMethods(storage: RaftStorage, changed: Partial<RaftStorage>): RaftStorage {
  return new Proxy(storage, {
    get: (target, name) => {
      const replaced: unknown = Reflect.get(changed, name);
      if (replaced !== undefined) return replaced;
      const value: unknown = Reflect.get(target, name);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}

const DRIVER_BUGS: readonly PlantedHostBug[] = [
  host(
    'sends what a write promises when the write begins (RAFT-9)',
    100,
    'raft-driver',
    'void storage.persist(effect).then(() => {',
    'transport.send(effect.messages); void storage.persist(effect).then(() => {',
  ),
  host(
    'says that the write after the one that ended is durable (RAFT-9)',
    100,
    'raft-driver',
    "this.#enqueue({ kind: 'persisted', persistId: effect.persistId });",
    "this.#enqueue({ kind: 'persisted', persistId: effect.persistId + 1 });",
  ),
  host(
    'answers a caller when its proposal is appended',
    100,
    'raft-driver',
    'else this.#waiters.place({ ...outcome, count: open.count }, (reply) => open.call.settle(reply));',
    "else open.call.settle({ kind: 'applied', ...outcome, results: Array(open.count).fill({ verdict: 'apply', results: [''] }) });",
  ),
  host(
    'takes what another leader put in the place of a proposal for the proposal',
    100,
    'proposal-waiters',
    "else if (found.term !== waiter.term) waiter.settle({ kind: 'lost' });",
    '',
  ),
  host(
    'gives a call the number of one that is open',
    100,
    'callers',
    'const requestId = ++this.#lastId;',
    'const requestId = (this.#lastId = (this.#lastId + 1) % 2);',
  ),
  host(
    'answers a read before what it has to show is applied (RAFT-14)',
    100,
    'raft-driver',
    "if (outcome.kind === 'refused' || outcome.index <= this.#appliedIndex) call.settle(outcome);",
    'if (true) call.settle(outcome);',
  ),
  host(
    'goes on to apply while a snapshot is being restored (RAFT-5)',
    100,
    'raft-driver',
    'machine.restore(snapshot.index, storage.openSnapshot(snapshot)).then(() => {',
    'Promise.resolve(void machine.restore(snapshot.index, storage.openSnapshot(snapshot))).then(() => {',
  ),
];

const STORAGE_BUGS: readonly PlantedHostBug[] = [
  host(
    'lets the journal go where a write begins that no segment holds (S-6)',
    100,
    'disk-raft-storage',
    'this.#journal.release(oldest < statePosition ? oldest : statePosition);',
    'this.#journal.release(statePosition);',
  ),
  host(
    'finds entries again that a leader had replaced (RAFT-3)',
    100,
    'log-replay',
    'if (truncateAfter !== undefined) this.truncate(truncateAfter);',
    '',
  ),
  host(
    'unlinks purged segments before the one that stays is durable; the simulator found this one',
    200,
    'segment-log',
    'if ((this.#segments[1]?.baseIndex ?? Infinity) <= this.#purgeTo) await this.#sync();',
    '',
  ),
  host(
    'purges the log before the name of the snapshot is durable (RAFT-17)',
    100,
    'snapshot-store',
    "await disk.rename(taking, this.#path(meta.id, 'snapshot')); await disk.syncDirectory(this.options.directory);",
    "await disk.rename(taking, this.#path(meta.id, 'snapshot'));",
  ),
  host(
    'installs a snapshot that came damaged (RAFT-17)',
    100,
    'snapshot-store',
    'if (!(await isWhole(file, id))) {',
    'if (false) {',
  ),
];

export const PLANTED_HOST_BUGS: readonly PlantedHostBug[] = [
  ...DRIVER_BUGS,
  ...STORAGE_BUGS,
  { does: 'writes its journal to the page cache only (J-2)', disk: disks.pageCacheWrites, seedsMax: 40 },
  { does: 'acknowledges a group of the journal when its write begins (J-2)', disk: disks.earlyAcknowledgement, seedsMax: 100 },
  { does: 'takes a failed write of the journal for done (J-9)', disk: disks.ignoredWriteErrors, seedsMax: 100 },
  { does: 'never syncs segments and snapshots (J-6)', disk: disks.noFileSync, seedsMax: 40 },
  { does: 'never syncs directories (J-2)', disk: disks.noDirectorySync, seedsMax: 40 },
  {
    does: 'says that an effect is durable when it was handed over (RAFT-9)',
    storage: (storage) =>
      withMethods(storage, {
        persist: (effect) => {
          storage.persist(effect).catch(() => undefined);
          return Promise.resolve();
        },
      }),
    seedsMax: 200,
  },
  {
    does: 'does not write term and vote (RAFT-6)',
    storage: (storage) => withMethods(storage, { persist: (effect) => storage.persist({ ...effect, hardState: undefined }) }),
    seedsMax: 40,
  },
  {
    does: 'does not truncate what a leader replaces (RAFT-3)',
    storage: (storage) => withMethods(storage, { persist: (effect) => storage.persist({ ...effect, truncateAfter: undefined }) }),
    seedsMax: 100,
  },
  {
    does: 'hands the core all entries but the last (J-5)',
    storage: (storage) => {
      const { log } = storage.recovered;
      if (log.lastIndex === log.baseIndex) return storage;
      const lastIndex = log.lastIndex - 1;
      const termRuns = log.termRuns.filter(({ firstIndex }) => firstIndex <= lastIndex);
      const configurations = log.configurations.filter(({ index }) => index <= lastIndex);
      return withMethods(storage, {
        recovered: { ...storage.recovered, log: { ...log, lastIndex, termRuns, configurations, recentEntries: [] } },
      });
    },
    seedsMax: 40,
  },
];
