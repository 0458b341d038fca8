import { execFileSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { loadConfig } from './cli';
import { readCommandFlags } from './command-flags';
import type { ResolvedConfig } from './resolve-config';
import { wayBack } from './way-back';

const MEMBERS = ['10.0.0.2:9093', '10.0.0.3:9093'];

function started(args: readonly string[], env: Record<string, string> = {}): Promise<ResolvedConfig> {
  return loadConfig(readCommandFlags(args), env);
}

/** The command that the sentence ends with, as a shell takes it apart. */
function wordsOf(sentence: string): readonly string[] {
  const command = sentence.slice(sentence.indexOf(': ') + 2);
  return execFileSync('sh', ['-c', `for word in ${command}; do printf '%s\\n' "$word"; done`], { encoding: 'utf8' })
    .trim()
    .split('\n');
}

describe('the way back of a node without a place in its cluster', () => {
  it('is a command with the flags that it was started with, under its id, on a directory that is not there yet, with members as seeds', async () => {
    const given = await started([
      ...['--node-id', '4', '--listen-addr=0.0.0.0:9192', '--data-dir', '/data/four', '--seed-nodes', '10.0.0.9:9093'],
      ...['--advertised-addr', 'four.example:9192', '--log-format', 'json', '--auto-create-topics-enable'],
    ]);
    expect(given.problems).toEqual([]);
    const taken = ['/data/four', '/data/four-2', '/data/four-3'];
    const sentence = wayBack(given, MEMBERS, (path) => taken.includes(path));
    expect(sentence).toMatch(/^To join again it needs an empty directory: streamline --cluster-node-id 4 --seed-nodes /);
    const [, ...args] = wordsOf(sentence);
    const again = await started(args);
    expect(again.problems).toEqual([]);
    const seedNodes = [
      { host: '10.0.0.2', port: 9093 },
      { host: '10.0.0.3', port: 9093 },
    ];
    expect(again.config).toEqual({ ...given.config, dataDir: '/data/four-4', seedNodes });
  });

  it('has a journal elsewhere begin anew as well, and quotes what a shell would take apart', async () => {
    const given = await started(['--data-dir', "/it's here/data", '--journal-dir', '/fast $disk']);
    const [, ...args] = wordsOf(wayBack(given, MEMBERS, () => false));
    const { config } = await started(args);
    expect([config.dataDir, config.journalDir]).toEqual(["/it's here/data-2", '/fast $disk-2']);
  });

  it('names the variables that it needs and not what they say, and tells that other processes of the node go with it', async () => {
    const given = await started(['--roles', 'controller'], {
      STREAMLINE_DATA_DIR: '/data',
      STREAMLINE_INTER_BROKER_TLS_KEY_PATH: '/etc/secret.key',
      STREAMLINE_JOURNAL_DIR: '/journals',
    });
    expect(wayBack(given, MEMBERS, () => false)).toBe(
      'To join again it needs an empty directory, the same for all of its processes, and STREAMLINE_INTER_BROKER_TLS_KEY_PATH of its environment: ' +
        'streamline --cluster-node-id 1 --seed-nodes 10.0.0.2:9093,10.0.0.3:9093 --data-dir /data-2 --journal-dir /journals-2 --roles controller',
    );
  });
});
