import type { SeededRandom } from '@streamline/testing/time/seeded-random';

export type Operation =
  | 'open'
  | 'openDurable'
  | 'size'
  | 'read'
  | 'write'
  | 'durableWrite'
  | 'datasync'
  | 'truncate'
  | 'close'
  | 'list'
  | 'makeDirectory'
  | 'rename'
  | 'unlink'
  | 'removeTree'
  | 'syncDirectory'
  | 'exists'
  | 'space';

export interface FaultRule {
  /** Which operations; all where it is left out. */
  readonly operations?: readonly Operation[];
  /** Which paths; all where it is left out. */
  readonly path?: RegExp;
  /** `hold` keeps the operation from ending until the rule is removed. */
  readonly fault: 'EIO' | 'ENOSPC' | 'EACCES' | 'EMFILE' | 'hold';
  /** A write fails after a part of it was done (a short write). */
  readonly isPartial?: boolean;
  /** Let so many matching operations pass first. */
  readonly after?: number;
  /** Fail at most so many. */
  readonly times?: number;
  /** Fail each with this probability; 1 where it is left out. */
  readonly probability?: number;
}

interface ActiveRule {
  readonly rule: FaultRule;
  passed: number;
  failed: number;
}

/** Decides which operations of a disk fail, by rules that a test adds and removes. */
export class FaultInjector {
  private rules: ActiveRule[] = [];
  private readonly removed: (() => void)[] = [];

  constructor(private readonly random: SeededRandom) {}

  /** Returns how to remove the rule. */
  add(rule: FaultRule): () => void {
    const active = { rule, passed: 0, failed: 0 };
    this.rules.push(active);
    return () => {
      this.rules = this.rules.filter((other) => other !== active);
      for (const callback of this.removed) callback();
    };
  }

  onRemoved(callback: () => void): void {
    this.removed.push(callback);
  }

  /** Whether a rule holds the operation back for now. */
  isHeld(operation: Operation, path: string): boolean {
    return this.rules.some(({ rule }) => rule.fault === 'hold' && matches(rule, operation, path));
  }

  /** The rule by which the operation fails; counts it. */
  draw(operation: Operation, path: string): FaultRule | undefined {
    for (const active of this.rules) {
      const { rule } = active;
      if (rule.fault === 'hold' || !matches(rule, operation, path)) continue;
      if (active.passed < (rule.after ?? 0)) {
        active.passed += 1;
        continue;
      }
      if (active.failed >= (rule.times ?? Infinity) || !this.random.chance(rule.probability ?? 1)) continue;
      active.failed += 1;
      return rule;
    }
    return undefined;
  }
}

function matches(rule: FaultRule, operation: Operation, path: string): boolean {
  return (rule.operations?.includes(operation) ?? true) && (rule.path?.test(path) ?? true);
}

/** An error like the platform's. */
export function diskError(code: string, operation: string, path: string): Error {
  return Object.assign(new Error(`${code}: ${operation} '${path}'`), { code, syscall: operation, path });
}
