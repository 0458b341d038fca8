import pino from 'pino';
import { describe, expect, it } from 'vitest';
import { type Component, Lifecycle } from './lifecycle';
import type { StopDeadline } from './stop-deadline';

const logger = pino({ level: 'silent' });

function recorder(): { readonly events: string[]; component(name: string, over?: Partial<Component>): Component } {
  const events: string[] = [];
  return {
    events,
    component: (name, over = {}) => ({
      name,
      start: async () => void events.push(`start ${name}`),
      stop: async () => void events.push(`stop ${name}`),
      ...over,
    }),
  };
}

describe('the life of a node', () => {
  it('starts in order and stops in the opposite one', async () => {
    const { events, component } = recorder();
    const lifecycle = new Lifecycle([component('a'), component('b'), component('c')], logger);
    await lifecycle.start(1_000);
    expect(await lifecycle.stop(1_000)).toEqual({ unfinished: [], failures: [] });
    expect(events).toEqual(['start a', 'start b', 'start c', 'stop c', 'stop b', 'stop a']);
  });

  it('withdraws some components, last first, and stops only the others later', async () => {
    const { events, component } = recorder();
    const hanging = component('c', { stop: () => new Promise(() => undefined) });
    const lifecycle = new Lifecycle([component('a'), component('b'), hanging, component('d')], logger);
    await lifecycle.start(1_000);
    await lifecycle.withdraw(['b', 'c', 'd', 'elsewhere'], 100);
    expect(events.splice(0)).toEqual(['start a', 'start b', 'start c', 'start d', 'stop d', 'stop b']);
    expect(await lifecycle.stop(1_000)).toEqual({ unfinished: [], failures: [] });
    expect(events).toEqual(['stop a']);
  });

  it('stops what runs when a component fails to start, and says why', async () => {
    const { events, component } = recorder();
    const failing = component('b', { start: () => Promise.reject(new Error('no luck')) });
    const lifecycle = new Lifecycle([component('a'), failing, component('c')], logger);
    await expect(lifecycle.start(1_000)).rejects.toThrow('no luck');
    expect(events).toEqual(['start a', 'stop b', 'stop a']);
  });

  it('gives up on a component that does not stop within the deadline, and still stops the others', async () => {
    const { events, component } = recorder();
    let aborted = false;
    const hanging = component('b', {
      stop: ({ signal }) =>
        new Promise(() => {
          signal.addEventListener('abort', () => (aborted = true));
        }),
    });
    const lifecycle = new Lifecycle([component('a'), hanging], logger);
    await lifecycle.start(1_000);
    expect(await lifecycle.stop(50)).toEqual({ unfinished: ['b'], failures: [] });
    expect(aborted).toBe(true);
    expect(events).toEqual(['start a', 'start b', 'stop a']);
  });

  it('tells each component how long it may take: half of what is left, and the last one all of it', async () => {
    const { component } = recorder();
    const told: { readonly remainingMs: number; readonly atMs: number }[] = [];
    const hanging = {
      stop: (deadline: StopDeadline) =>
        new Promise<void>(() => {
          const atMs = performance.now();
          told.push({ atMs, remainingMs: deadline.remainingMs });
        }),
    };
    const names = ['a', 'b', 'c'];
    const lifecycle = new Lifecycle(
      names.map((name) => component(name, hanging)),
      logger,
    );
    await lifecycle.start(1_000);
    const begunMs = performance.now();
    const stopping = lifecycle.stop(200);
    // A busy machine may be late with each of them: what is left then is what is divided.
    const [leastEndMs, endMs] = [begunMs + 200, performance.now() + 200];
    expect((await stopping).unfinished).toEqual(['c', 'b', 'a']);
    expect(performance.now()).toBeGreaterThan(leastEndMs - 10);
    const [first, second, last] = told;
    for (const each of [first, second]) {
      expect(each?.remainingMs).toBeLessThanOrEqual(Math.max(0, endMs - (each?.atMs ?? 0)) / 2);
    }
    expect(first?.remainingMs).toBeGreaterThan((begunMs + leastEndMs) / 2 - (first?.atMs ?? 0) - 1);
    expect(last?.remainingMs).toBeGreaterThan(Math.max(0, leastEndMs - (last?.atMs ?? 0)) - 1);
  });

  it('goes on when a component fails to stop, also at once', async () => {
    const { events, component } = recorder();
    const throwing = component('b', {
      stop: () => {
        throw new Error('at once');
      },
    });
    const lifecycle = new Lifecycle([component('a'), throwing], logger);
    await lifecycle.start(1_000);
    expect(await lifecycle.stop(1_000)).toEqual({ unfinished: ['b'], failures: [new Error('at once')] });
    expect(events).toContain('stop a');
  });

  it('stops once, however often it is asked', async () => {
    const { events, component } = recorder();
    const lifecycle = new Lifecycle([component('a')], logger);
    await lifecycle.start(1_000);
    await Promise.all([lifecycle.stop(1_000), lifecycle.stop(1_000)]);
    expect(events).toEqual(['start a', 'stop a']);
  });

  it('starts nothing more once it was asked to stop', async () => {
    const { events, component } = recorder();
    let goOn: () => void = () => undefined;
    const slow = component('a', {
      start: () =>
        new Promise((resolve) => {
          goOn = resolve;
        }),
    });
    const lifecycle = new Lifecycle([slow, component('b')], logger);
    const starting = lifecycle.start(1_000);
    const stopping = lifecycle.stop(1_000);
    goOn();
    await Promise.all([starting, stopping]);
    expect(events).toEqual(['stop a']);
  });
});
