import type { Clock } from '@streamline/runtime/ports/clock';
import type { Logger } from 'pino';
import type { TlsFailure, TlsFailureReason } from './tls-failure';

/** Which end of a connection this process was: it took the connection, or it opened it. */
export type TlsSide = 'accept' | 'connect';

/** A peer that tries again and again is told of this often. */
const REPEAT_MS = 60_000;
/** Pairs of peer and reason that are remembered; beyond it, all are forgotten and told anew. */
const REMEMBERED_MAX = 1_024;

interface Told {
  readonly atMs: number;
  /** Failures of this kind since then. */
  unsaid: number;
}

export interface TlsFailureCount {
  readonly side: TlsSide;
  readonly reason: TlsFailureReason;
  readonly count: number;
}

/** Tells the log of connections that failed, each kind at once and then once a minute, and counts all of them. */
export class TlsFailureLog {
  readonly #told = new Map<string, Told>();
  readonly #counts = new Map<string, { readonly side: TlsSide; readonly reason: TlsFailureReason; count: number }>();

  constructor(
    private readonly logger: Pick<Logger, 'warn'>,
    private readonly clock: Pick<Clock, 'monotonicMs'>,
  ) {}

  get counts(): readonly TlsFailureCount[] {
    return [...this.#counts.values()];
  }

  /** `peer` without the port where it connected to this process: that differs each time. */
  add(side: TlsSide, peer: string, { reason, text }: TlsFailure): void {
    this.#count(side, reason);
    const key = `${side} ${peer} ${text}`;
    const nowMs = this.clock.monotonicMs();
    const told = this.#told.get(key);
    if (told !== undefined && nowMs - told.atMs < REPEAT_MS) {
      told.unsaid++;
      return;
    }
    if (told === undefined && this.#told.size >= REMEMBERED_MAX) this.#told.clear();
    this.#told.set(key, { atMs: nowMs, unsaid: 0 });
    const again = told === undefined || told.unsaid === 0 ? {} : { before: told.unsaid };
    const what = side === 'accept' ? `refused a connection from ${peer}` : `cannot connect to ${peer}`;
    this.logger.warn({ reason, ...again }, `${what}: ${text}`);
  }

  #count(side: TlsSide, reason: TlsFailureReason): void {
    const key = `${side} ${reason}`;
    const known = this.#counts.get(key);
    if (known === undefined) this.#counts.set(key, { side, reason, count: 1 });
    else known.count++;
  }
}
