import { ENTRY_OVERHEAD_BYTES } from '@streamline/core/raft/limits';
import type { Effect } from '@streamline/core/raft/effects';
import type { Append } from '@streamline/core/raft/messages';
import type { RaftConfig, RaftInit } from '@streamline/core/raft/types';
import type { Invariant, MemberGhost, SeenStep } from '../cluster-ghost';
import { Violation } from '../violation';

/** Turns with nothing but a tick and at one time, after which the core is taken to spin. */
const IDLE_TURNS_MAX = 50;

interface Open {
  persistId: number;
  /** An `apply` or a `restore` is under way. */
  isApplying: boolean;
  writeId: number | undefined;
  readonly chunksRead: Map<string, number>;
  idleTurns: number;
  idleAtMs: number;
}

/** What the border promises to a host (effects.ts): ids in order, one `apply` at a time, bounds kept, deadlines that move on. */
export class HostContract implements Invariant {
  readonly #open = new WeakMap<MemberGhost, Open>();

  constructor(private readonly config: RaftConfig) {}

  started(member: MemberGhost, _init: RaftInit): void {
    this.#open.set(member, {
      persistId: -1,
      isApplying: false,
      writeId: undefined,
      chunksRead: new Map(),
      idleTurns: 0,
      idleAtMs: -1,
    });
  }

  stepped(step: SeenStep): void {
    const open = this.#open.get(step.member);
    if (open === undefined) throw new Error(`${step.member.id} steps before it started`);
    this.#answered(open, step);
    const persists = step.effects.filter(({ kind }) => kind === 'persist').length;
    if (persists > 1) this.#complain(step.member, `asks for ${persists} writes in one turn`);
    for (const effect of step.effects) this.#asked(open, step.member, effect);
    this.#checkDeadline(open, step);
  }

  #answered(open: Open, { inputs }: SeenStep): void {
    for (const input of inputs) {
      if (input.kind === 'applied') open.isApplying = false;
      if (input.kind === 'snapshot-chunk-written' && input.writeId === open.writeId) open.writeId = undefined;
      if (input.kind !== 'snapshot-chunk-read') continue;
      for (const [to, readId] of open.chunksRead) if (readId === input.readId) open.chunksRead.delete(to);
    }
  }

  #asked(open: Open, member: MemberGhost, effect: Effect): void {
    switch (effect.kind) {
      case 'persist':
        if (open.persistId >= 0 && effect.persistId !== open.persistId + 1) this.#complain(member, 'skips a persist id');
        open.persistId = effect.persistId;
        break;
      case 'apply':
      case 'restore':
        if (open.isApplying) this.#complain(member, `asks to ${effect.kind} while the state machine is busy`);
        open.isApplying = true;
        if (effect.kind === 'apply') this.#checkBatch(member, effect.entries, 'applies');
        break;
      case 'drop-snapshot':
        open.writeId = undefined;
        break;
      case 'write-snapshot-chunk':
        if (open.writeId !== undefined) this.#complain(member, 'writes two chunks of a snapshot at once');
        open.writeId = effect.writeId;
        break;
      case 'read-snapshot-chunk':
        if (open.chunksRead.has(effect.to)) this.#complain(member, `reads two chunks at once for ${effect.to}`);
        open.chunksRead.set(effect.to, effect.readId);
        break;
      case 'send':
        for (const message of effect.messages) if (message.kind === 'append') this.#checkAppend(member, message);
        break;
      default:
        break;
    }
  }

  #checkAppend(member: MemberGhost, { entries }: Append): void {
    if (entries.length > this.config.maxPayloadEntries) {
      this.#complain(member, `sends ${entries.length} entries, ${this.config.maxPayloadEntries} are allowed`);
    }
    this.#checkBatch(member, entries, 'sends');
  }

  #checkBatch(member: MemberGhost, entries: Append['entries'], does: string): void {
    let bytes = 0;
    for (const entry of entries) bytes += entry.sizeBytes;
    if (entries.length > 1 && bytes > this.config.batchBytesMax + ENTRY_OVERHEAD_BYTES) {
      this.#complain(member, `${does} ${bytes} bytes at once, ${this.config.batchBytesMax} are allowed`);
    }
  }

  #checkDeadline(open: Open, { member, inputs, nextDeadlineMs, monotonicMs }: SeenStep): void {
    const isIdle = inputs.every(({ kind }) => kind === 'tick') && nextDeadlineMs <= monotonicMs;
    open.idleTurns = isIdle && open.idleAtMs === monotonicMs ? open.idleTurns + 1 : 0;
    open.idleAtMs = monotonicMs;
    if (open.idleTurns > IDLE_TURNS_MAX) this.#complain(member, 'asks for tick after tick at one time');
  }

  #complain(member: MemberGhost, what: string): never {
    throw new Violation('host-contract', `${member.id} ${what}`);
  }
}
