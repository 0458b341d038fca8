import { readFileSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { format, resolveConfig } from 'prettier';
import { expect, it } from 'vitest';
import { BROKER_CONFIGS } from './broker-config-definitions';
import { describeValid } from './config-definition';
import { TOPIC_CONFIGS } from './topic-config-definitions';

const FILE = resolve(import.meta.dirname, '../../../docs/topic-configs.md');

const cell = (text: string): string => text.replaceAll('|', '\\|');
const code = (text: string | null): string => (text === null ? '' : text === '' ? '(empty)' : `\`${text}\``);

function row(...cells: string[]): string {
  return `| ${cells.map(cell).join(' | ')} |`;
}

function topicRows(): string[] {
  return TOPIC_CONFIGS.map(({ name, type, defaultValue, kafkaDefault, valid, doc, effect, synonyms, provedBy }) => {
    const theirs = kafkaDefault === undefined ? '' : ` (Apache Kafka: ${code(kafkaDefault)})`;
    const state = effect.kind === 'supported' ? 'in effect' : `refused: ${effect.reason}`;
    const inherited = synonyms.map((synonym) => code(synonym.name)).join(', ');
    return row(code(name), type, code(defaultValue) + theirs, describeValid(valid), doc, inherited, state, code(provedBy));
  });
}

function brokerRows(): string[] {
  return BROKER_CONFIGS.map(({ name, type, defaultValue, kafkaDefault, doc, update }) => {
    const theirs = kafkaDefault === undefined ? '' : ` (Apache Kafka: ${code(kafkaDefault)})`;
    return row(code(name), type, code(defaultValue) + theirs, update, doc);
  });
}

function page(): string {
  return [
    '# Topic and broker configs',
    '',
    'Made from `libs/core/metadata/topic-config-definitions.ts` and `broker-config-definitions.ts` by `topic-configs-doc.spec.ts`: run it with `UPDATE_DOCS=1` after a change there.',
    '',
    '## Topic configs',
    '',
    "All of Apache Kafka 4.4's. A config that is refused may be set to its default only; anything else is INVALID_CONFIG (40) with the reason: nothing is acknowledged and then ignored. The last column names the spec that observes the effect or the refusal.",
    '',
    row('name', 'type', 'default', 'valid values', 'meaning', 'inherited from', 'state', 'proved by'),
    row(...Array.from({ length: 8 }, () => '---')),
    ...topicRows(),
    '',
    '## Broker configs',
    '',
    'Those that mean something here. `cluster-wide` ones are changed by AlterConfigs on the empty broker name (`--entity-default`) and take effect at once, on every node; `read-only` ones are settings of a node, which DescribeConfigs shows. None can be set for a single broker.',
    '',
    row('name', 'type', 'default', 'changed', 'meaning'),
    row(...Array.from({ length: 5 }, () => '---')),
    ...brokerRows(),
    '',
  ].join('\n');
}

it('docs/topic-configs.md says what the definitions say', async () => {
  const wanted = await format(page(), { ...(await resolveConfig(FILE)), parser: 'markdown' });
  if (process.env['UPDATE_DOCS'] === '1') writeFileSync(FILE, wanted);
  expect(readFileSync(FILE, 'utf8')).toBe(wanted);
});
