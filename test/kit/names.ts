import { randomUUID } from 'node:crypto';

/** A topic, group or client name that no other spec uses. */
export function unique(prefix: string): string {
  return `${prefix}-${randomUUID().slice(0, 8)}`;
}
