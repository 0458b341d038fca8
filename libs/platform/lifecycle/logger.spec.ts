import { describe, expect, it } from 'vitest';
import { createLogger, type LoggerOptions, prettyLine } from './logger';
import { NestLogger } from './nest-logger';

function capture(over: Partial<LoggerOptions> = {}) {
  const lines: string[] = [];
  const destination = { write: (line: string) => void lines.push(line) };
  return { lines, logger: createLogger({ level: 'info', format: 'json', nodeId: 3, destination, isColoured: false, ...over }) };
}

describe('the log', () => {
  it('writes one JSON object a message, with level, time and node', () => {
    const { lines, logger } = capture();
    logger.child({ role: 'storage' }).warn({ topic: 'a' }, 'slow disk');
    expect(JSON.parse(lines[0] ?? '')).toEqual({
      level: 'warn',
      time: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
      node: 3,
      role: 'storage',
      topic: 'a',
      msg: 'slow disk',
    });
  });

  it('leaves out what is below the level', () => {
    const { lines, logger } = capture({ level: 'error' });
    logger.warn('no');
    logger.error('yes');
    expect(lines).toHaveLength(1);
  });

  it('writes one readable line a message in the pretty format', () => {
    const { lines, logger } = capture({ format: 'pretty' });
    logger.child({ role: 'storage' }).info({ topic: 'a b', bytes: 5 }, 'segment rolled');
    expect(lines[0]).toMatch(/^\d\d:\d\d:\d\d\.\d{3} INFO {2}storage: segment rolled topic="a b" bytes=5\n$/);
  });

  it('writes the stack of an error in the pretty format', () => {
    const { lines, logger } = capture({ format: 'pretty' });
    logger.error({ err: new Error('broken') }, 'failed');
    expect(lines[0]).toMatch(/ERROR failed\nError: broken\n +at /);
  });

  it('colours only where it is told to', () => {
    const line = '{"level":"info","time":"2026-01-01T00:00:00.000Z","msg":"x"}';
    expect(prettyLine(line, false)).toBe('00:00:00.000 INFO  x\n');
    expect(prettyLine(line, true)).toContain('\u001b[32mINFO ');
  });

  it.each(['', 'no json\n', '[1]', '3', 'null', '{}'])('passes on what is no log line: %j', (line) => {
    expect(typeof prettyLine(line, false)).toBe('string');
  });
});

describe('the logger of Nest', () => {
  it('tells messages, contexts and stacks to the log', () => {
    const { lines, logger } = capture({ level: 'trace' });
    const nest = new NestLogger(logger);
    nest.log('Mapped {/health, GET} route', 'RouterExplorer');
    nest.error('it failed', 'Error: it\n at x', 'ExceptionsHandler');
    nest.error(new Error('as an object'));
    nest.warn({ a: 1 });
    expect(lines.map((line) => JSON.parse(line))).toMatchObject([
      { level: 'debug', component: 'RouterExplorer', msg: 'Mapped {/health, GET} route' },
      { level: 'error', component: 'ExceptionsHandler', msg: 'it failed', stack: 'Error: it\n at x' },
      { level: 'error', msg: 'as an object', err: { message: 'as an object' } },
      { level: 'warn', msg: '{"a":1}' },
    ]);
  });
});
