import { describe, expect, it } from 'vitest';
import { AnswerBudget, LEAST_ANSWER_BYTES } from './answer-budget';

const LIMIT = 100 * LEAST_ANSWER_BYTES;

describe('AnswerBudget', () => {
  it('shares what is free among the answers that are being made', () => {
    const budget = new AnswerBudget(LIMIT);
    const [first, second] = [budget.room(), budget.room()];
    expect(first.enter()).toBe(LIMIT);
    expect(second.enter()).toBe(LIMIT / 2);
    budget.hold(LIMIT / 2);
    expect(budget.room().enter()).toBe(Math.floor(LIMIT / 6));
    first.leave();
    second.leave();
    expect(second.enter()).toBe(LIMIT / 4);
  });

  it('gives everyone something, also when nothing is free', () => {
    const budget = new AnswerBudget(LIMIT);
    budget.hold(2 * LIMIT);
    expect(budget.room().enter()).toBe(LEAST_ANSWER_BYTES);
    expect(budget.heldBytes).toBe(2 * LIMIT);
  });

  it('takes nothing for polls that wait, however often they looked', () => {
    const budget = new AnswerBudget(LIMIT);
    for (let poll = 0; poll < 10_000; poll += 1) {
      const room = budget.room();
      room.enter();
      room.enter();
      room.leave();
      room.leave();
    }
    expect(budget.room().enter()).toBe(LIMIT);
  });

  it('stays below ten times its limit when a thousand polls wake at once', () => {
    const budget = new AnswerBudget(LIMIT);
    let bytes = 0;
    for (let poll = 0; poll < 1_000; poll += 1) bytes += budget.room().enter();
    expect(bytes).toBeLessThan(LIMIT * 10 + 1_000 * LEAST_ANSWER_BYTES);
  });

  it('calls back when less than the limit is held, at once where it is', () => {
    const budget = new AnswerBudget(LIMIT);
    const done: number[] = [];
    budget.room().whenFree(() => done.push(1));
    budget.hold(LIMIT + 10);
    budget.whenFree(() => done.push(2));
    budget.whenFree(() => done.push(3));
    budget.release(10);
    expect(done).toEqual([1]);
    budget.release(1);
    expect(done).toEqual([1, 2, 3]);
  });
});
