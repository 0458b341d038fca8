import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type CommandOutcome, readCommandLine } from './cli';
import { ALL_SETTINGS } from './schema';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'streamline-cli-'));
});
afterEach(() => rmSync(directory, { recursive: true }));

function run(args: readonly string[], env: Record<string, string> = {}): Promise<CommandOutcome> {
  return readCommandLine({ args, env, version: '1.2.3' });
}

async function refusal(args: readonly string[], env: Record<string, string> = {}): Promise<string> {
  const outcome = await run(args, env);
  if (outcome.kind !== 'print' || outcome.exitCode !== 2) throw new Error(`not refused: ${JSON.stringify(outcome)}`);
  return outcome.text;
}

async function fileRefusal(name: string, text: string): Promise<string> {
  const path = join(directory, name);
  writeFileSync(path, text);
  return (await refusal(['--config', path])).replaceAll(directory, '');
}

describe('the command line', () => {
  it('starts a node without any argument', async () => {
    expect(await run([])).toMatchObject({ kind: 'start', config: { nodeId: 1 } });
  });

  it.each(['--cluster-node-id', '--node-id'])('takes %s for the node id', async (flag) => {
    expect(await run([flag, '4'])).toMatchObject({ kind: 'start', config: { nodeId: 4 } });
    expect(await run([`${flag}=5`])).toMatchObject({ kind: 'start', config: { nodeId: 5 } });
  });

  it('takes a switch with and without a value', async () => {
    expect(await run(['--auto-create-topics-enable'])).toMatchObject({ config: { autoCreateTopicsEnable: true } });
    expect(await run(['--auto-create-topics-enable', 'false'])).toMatchObject({ config: { autoCreateTopicsEnable: false } });
  });

  it('adds up a list flag that is repeated', async () => {
    expect(await run(['--roles', 'storage', '--roles=gateway'])).toMatchObject({ config: { roles: ['storage', 'gateway'] } });
  });

  it('takes negative numbers', async () => {
    expect(await run(['--log-retention-bytes', '-1', '--node-id', '2'])).toMatchObject({
      config: { logRetentionBytes: -1, nodeId: 2 },
    });
  });

  it('reports every problem at once, with value, origin and what would be right', async () => {
    const text = await refusal(['--node-id', '0', '--dta-dir', 'x', '--durability=sometimes', '--log-level'], {
      STREAMLINE_NODEID: '3',
      STREAMLINE_NUM_PARTITIONS: 'many',
    });
    expect(text).toContain('has 6 problems');
    expect(text).toContain('node_id = 0   (flag --node-id)\n    must be a whole number from 1 to 2147483647');
    expect(text).toContain('--dta-dir\n    is no flag; did you mean --data-dir?');
    expect(text).toContain('durability = "sometimes"   (flag --durability)\n    must be one of "fsync", "page-cache"');
    expect(text).toContain('--log-level\n    needs a value: one of "trace"');
    expect(text).toContain(
      'STREAMLINE_NODEID   (environment variable STREAMLINE_NODEID)\n    is no setting; did you mean STREAMLINE_NODE_ID?',
    );
    expect(text).toContain('num_partitions = "many"   (environment variable STREAMLINE_NUM_PARTITIONS)');
  });

  it('says what to write instead of a value with a unit', async () => {
    expect(await refusal(['--stop-timeout-ms', '5s'])).toContain('; write 5000, without a unit');
    expect(await refusal(['--tail-cache-bytes', '64MiB'])).toContain('; write 67108864, without a unit');
    expect(await refusal(['--offsets-retention-minutes', '7d'])).toContain('; write 10080, without a unit');
    expect(await refusal(['--message-max-bytes', '9m'])).not.toContain('; write');
  });

  it('refuses a flag that is given twice with different values', async () => {
    expect(await refusal(['--node-id', '1', '--cluster-node-id', '2'])).toContain('is given twice with different values');
    expect(await run(['--node-id', '1', '--cluster-node-id', '1'])).toMatchObject({ kind: 'start' });
  });

  it('refuses an unknown command and names the nearest, or all', async () => {
    expect(await refusal(['status'])).toContain('there are config, docs and cluster (streamline cluster --help)');
    expect(await refusal(['confg'])).toContain('is no command of streamline; did you mean "config"?');
    expect(await refusal(['docs', 'poems'])).toContain('needs a page: configuration or exit-codes');
  });

  it('leaves everything behind "cluster" to that command, which goes first', async () => {
    expect(await run(['cluster', 'status', '--json'])).toEqual({ kind: 'cluster', args: ['status', '--json'] });
    expect(await run(['cluster'])).toEqual({ kind: 'cluster', args: [] });
    expect(await refusal(['--node-id', '1', 'cluster', 'status'])).toContain(
      'cluster\n    goes first: streamline cluster --help',
    );
    expect(await refusal(['clster'])).toContain('did you mean "cluster"?');
  });

  it('prints the version', async () => {
    expect(await run(['--version'])).toEqual({ kind: 'print', text: '1.2.3\n', exitCode: 0 });
  });

  it.each([['--help'], ['-h']])('prints every setting with %s', async (flag) => {
    const outcome = await run([flag, '--data-dir', 'x']);
    const text = outcome.kind === 'print' ? outcome.text : '';
    for (const { flagNames } of ALL_SETTINGS) for (const name of flagNames) expect(text).toContain(name);
    expect(text).toContain('streamline config');
    expect(outcome).toMatchObject({ exitCode: 0 });
  });

  it('never throws, whatever it is given', async () => {
    const word = fc.oneof(
      fc.string(),
      fc.constantFrom('--', '-', '--=', '--node-id', '--roles', 'config', '__proto__', '--__proto__'),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(word, { maxLength: 6 }), async (args) => {
        const outcome = await run(args.filter((arg) => !/^--co/.test(arg)));
        expect(['start', 'print', 'cluster']).toContain(outcome.kind);
      }),
      { numRuns: 100 },
    );
  });
});

describe('the environment', () => {
  it('leaves alone what Kubernetes puts there for a service of our name', async () => {
    const env = {
      STREAMLINE_PORT: 'tcp://10.0.0.1:9092',
      STREAMLINE_SERVICE_HOST: '10.0.0.1',
      STREAMLINE_SERVICE_PORT_KAFKA: '9092',
      STREAMLINE_PORT_9092_TCP_ADDR: '10.0.0.1',
      STREAMLINE_HEADLESS_SERVICE_HOST: '10.0.0.2',
    };
    expect(await run([], env)).toMatchObject({ kind: 'start' });
  });

  it('counts an empty variable as not set', async () => {
    expect(await run([], { STREAMLINE_RACK_ID: '', STREAMLINE_NODE_ID: '' })).toMatchObject({ kind: 'start' });
  });

  it('refuses two names of one setting that disagree', async () => {
    const env = { STREAMLINE_NODE_ID: '1', STREAMLINE_CLUSTER_NODE_ID: '2' };
    expect(await refusal([], env)).toContain('says something else than STREAMLINE_NODE_ID; set only one');
  });
});

describe('the configuration file', () => {
  it.each([
    ['a.toml', 'node_id = 3\nroles = ["storage"]\n[inter_broker_tls]\nenabled = false\n'],
    ['a.yaml', 'node_id: 3\nroles: [storage]\ninter_broker_tls:\n  enabled: false\n'],
    ['a.json', '{"node_id": 3, "roles": ["storage"], "inter_broker_tls": {"enabled": false}}'],
  ])('reads %s', async (name, text) => {
    const path = join(directory, name);
    writeFileSync(path, text);
    expect(await run(['--config', path])).toMatchObject({ kind: 'start', config: { nodeId: 3, roles: ['storage'] } });
  });

  it('takes an empty file', async () => {
    writeFileSync(join(directory, 'a.yaml'), '# nothing\n');
    expect(await run(['--config', join(directory, 'a.yaml')])).toMatchObject({ kind: 'start' });
  });

  it.each([
    ['an unknown key', 'a.toml', 'nod_id = 3', 'nod_id = 3   (/a.toml: nod_id)\n    is no setting; did you mean node_id?'],
    ['an unknown key in a table', 'a.toml', '[inter_broker_tls]\ncertpath = "x"', 'did you mean inter_broker_tls.cert_path?'],
    [
      'a key in the style of flags',
      'a.yaml',
      'data-dir: /d',
      'data-dir = "/d"   (/a.yaml: data-dir)\n    is no setting; did you mean data_dir?',
    ],
    ['a wrong type', 'a.toml', 'node_id = "3"', 'node_id = "3"   (/a.toml: node_id)\n    must be a whole number'],
    ['a list that is none', 'a.toml', 'roles = "storage"', 'must be one or more of controller, storage'],
    ['a fraction', 'a.yaml', 'node_id: 1.5', 'node_id = 1.5   (/a.yaml: node_id)'],
    ['a number for text', 'a.yaml', 'inter_broker_tls: { min_version: 1.2 }', 'write it in quotes: "1.2"'],
    ['a table for a value', 'a.yaml', 'data_dir: { a: 1 }', 'data_dir = {"a":1}   (/a.yaml: data_dir)\n    must be a path'],
    ['a value for a table', 'a.yaml', 'inter_broker_tls: true', 'is a table of settings'],
    ['a key without value', 'a.yaml', 'node_id:', 'has no value; give it one or remove the line'],
    ['the config setting', 'a.toml', 'config = "b.toml"', 'can only be given by --config or STREAMLINE_CONFIG'],
    ['a syntax error in TOML', 'a.toml', 'node_id = = 3', 'Invalid TOML document'],
    ['a syntax error in YAML', 'a.yaml', 'a: [1', 'at line 1'],
    ['a duplicate key', 'a.yaml', 'node_id: 1\nnode_id: 2', 'Map keys must be unique'],
    ['an alias, by which small files become large', 'a.yaml', 'a: &x [1]\nb: *x', 'Alias resolution is disabled'],
    ['text that holds no settings', 'a.yaml', '- 1', 'does not hold settings at its top level'],
    ['an unknown format', 'a.ini', 'node_id=1', 'its name must end in .toml, .yaml, .yml or .json'],
    ['a huge file', 'a.yaml', '#'.repeat(2 ** 20 + 1), 'is larger than 1048576 bytes'],
    ['the prototype', 'a.json', '{"__proto__": {"node_id": 9}}', '__proto__'],
  ])('refuses %s', async (_, name, text, expected) => {
    expect(await fileRefusal(name, text)).toContain(expected);
  });

  it('refuses a file that is not there, and a directory', async () => {
    expect(await refusal(['--config', '/no/such.toml'])).toContain(
      'config = "/no/such.toml"   (flag --config)\n    does not exist',
    );
    expect(await refusal(['--config', directory])).toContain('is a directory; name a file');
  });
});
