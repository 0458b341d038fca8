import type { KeyOperation } from './history';

/**
 * What one key does when its operations come one after the other. A state is a string, so that states compare by value.
 * `apply` returns the state after the operation and its result.
 */
export interface SequentialModel {
  readonly initial: string;
  apply(state: string, operation: KeyOperation): { readonly state: string; readonly result: string };
}

/** What a read of a register returns that was never written. */
export const UNSET = '';
export const DONE = 'done';
export const MISMATCH = 'mismatch';

/** Holds the last value that was written. */
export const REGISTER: SequentialModel = {
  initial: UNSET,
  apply(state, operation) {
    switch (operation.kind) {
      case 'read':
        return { state, result: state };
      case 'write':
        return { state: operation.value, result: DONE };
      case 'compare-and-set':
        return state === operation.expected ? { state: operation.value, result: DONE } : { state, result: MISMATCH };
      case 'append':
        throw new TypeError('a register takes no appends');
    }
  },
};

/** A list that only grows, told as `length:digest`: each value in it and their order show in every later read. */
export const APPEND_LIST: SequentialModel = {
  initial: '0:0',
  apply(state, operation) {
    switch (operation.kind) {
      case 'read':
        return { state, result: state };
      case 'append': {
        const next = appended(state, operation.value);
        return { state: next, result: next };
      }
      case 'write':
      case 'compare-and-set':
        throw new TypeError('a list takes reads and appends only');
    }
  },
};

function appended(state: string, value: string): string {
  const colon = state.indexOf(':');
  return `${Number(state.slice(0, colon)) + 1}:${digest(Number(state.slice(colon + 1)), value)}`;
}

/** 53 bits of a running hash (cyrb53's mixing), so that equal digests mean equal histories for all purposes here. */
export function digest(before: number, text: string): number {
  let high = 0xdeadbeef ^ (before >>> 0);
  let low = 0x41c6ce57 ^ Math.floor(before / 2 ** 32);
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    high = Math.imul(high ^ code, 2654435761);
    low = Math.imul(low ^ code, 1597334677);
  }
  high = Math.imul(high ^ (high >>> 16), 2246822507) ^ Math.imul(low ^ (low >>> 13), 3266489909);
  low = Math.imul(low ^ (low >>> 16), 2246822507) ^ Math.imul(high ^ (high >>> 13), 3266489909);
  return 2 ** 32 * (low & 0x1fffff) + (high >>> 0);
}
