import type { AdminClient } from './admin-client';

/** What a subcommand works with. */
export interface ClusterContext {
  readonly client: AdminClient;
  /** Print the answer of the HTTP API in place of text for a reader. */
  readonly json: boolean;
  /** The longest that the command takes. */
  readonly timeoutMs: number;
  /** The answer, on standard output. */
  out(text: string): void;
  /** How it goes on, on standard error. */
  note(text: string): void;
  /** Milliseconds that only go forward. */
  nowMs(): number;
  pause(durationMs: number): Promise<void>;
}

/** The answer of the HTTP API as one JSON document. */
export function printJson({ out }: Pick<ClusterContext, 'out'>, body: unknown): void {
  out(`${JSON.stringify(body, undefined, 2)}\n`);
}
