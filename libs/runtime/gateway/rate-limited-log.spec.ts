import { describe, expect, it } from 'vitest';
import { RateLimitedLog } from './rate-limited-log';

describe('RateLimitedLog', () => {
  it('writes a few lines of each event a second and says how many it left out', () => {
    let nowMs = 0;
    const lines: object[] = [];
    const take = (fields: object) => void lines.push(fields);
    const log = new RateLimitedLog({ info: take, warn: take, error: take }, () => nowMs, 2);
    for (let i = 0; i < 10; i++) log.write('warn', 'flood', { i }, 'flood');
    log.write('warn', 'other', {}, 'other');
    nowMs = 1000;
    log.write('warn', 'flood', { i: 10 }, 'flood');
    log.write('warn', 'flood', { i: 11 }, 'flood');
    expect(lines).toEqual([
      { event: 'flood', i: 0 },
      { event: 'flood', i: 1 },
      { event: 'other' },
      { event: 'flood', i: 10, suppressed: 8 },
      { event: 'flood', i: 11 },
    ]);
  });
});
