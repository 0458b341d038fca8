import { describe, expect, it } from 'vitest';
import { NODES_MAX, parseOptions, UsageError } from './options';

const ROOT = '/clone';

describe('options of npm run cluster', () => {
  it('has three nodes at the ports of the compose file, with data that stays, where nothing is said', () => {
    expect(parseOptions([], ROOT)).toEqual({ nodes: 3, basePort: 9092, dataDir: '/clone/data/cluster', nodeFlags: [] });
  });

  it('takes what it is told, and passes on to the nodes what stands behind --', () => {
    const args = ['--nodes', '5', '--base-port', '27000', '--data-dir', '/tmp/x', '--', '--rack-id', 'a', '--', 'b'];
    expect(parseOptions(args, ROOT)).toEqual({
      nodes: 5,
      basePort: 27000,
      dataDir: '/tmp/x',
      nodeFlags: ['--rack-id', 'a', '--', 'b'],
    });
  });

  it('takes no directory with --fresh, and refuses one', () => {
    expect(parseOptions(['--fresh'], ROOT)).toMatchObject({ dataDir: undefined });
    expect(() => parseOptions(['--fresh', '--data-dir', '/tmp/x'], ROOT)).toThrow('leave out --data-dir');
  });

  it.each([
    [['--nodes', '0'], `a whole number from 1 to ${NODES_MAX}`],
    [['--nodes', '1.5'], 'a whole number'],
    [['--nodes', 'three'], '--nodes three'],
    [['--nodes', '3', '--base-port', '65500'], 'a whole number from 1 to 65333'],
    [['--node', '3'], "'--node'"],
    [['3'], "'3'"],
  ])('refuses %j and says what would be right', (args, problem) => {
    expect(() => parseOptions(args, ROOT)).toThrow(UsageError);
    expect(() => parseOptions(args, ROOT)).toThrow(problem);
  });

  it('has help', () => {
    expect(parseOptions(['--help'], ROOT)).toBe('help');
  });
});
