import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { MetadataRecord } from '@streamline/core/metadata/records';
import { decodeRecord, encodeRecord, UnknownRecordError } from './record-codec';

const id = fc.stringMatching(/^[A-Za-z0-9_-]{22}$/) as fc.Arbitrary<never>;
const node = fc.integer({ min: 1, max: 2 ** 31 - 1 }) as fc.Arbitrary<never>;
const epoch = fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER }) as fc.Arbitrary<never>;
const small = fc.integer({ min: 0, max: 2 ** 31 - 1 }) as fc.Arbitrary<never>;
const nodes = fc.array(node, { maxLength: 5 });
const maybe = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined });
const kind = <Kind extends MetadataRecord['kind']>(name: Kind) => fc.constant(name);
const endpoint = fc.record({ name: fc.constantFrom('kafka', 'storage', 'controller'), host: fc.string(), port: small });

const record: fc.Arbitrary<MetadataRecord> = fc.oneof(
  fc.record({ kind: kind('cluster'), clusterId: id }),
  fc.record({ kind: kind('featureLevel'), name: fc.string(), level: small }),
  fc.record({
    kind: kind('registerBroker'),
    brokerId: node,
    brokerEpoch: epoch,
    incarnationId: fc.string(),
    directoryId: id,
    endpoints: fc.array(endpoint) as fc.Arbitrary<never>,
    rack: maybe(fc.string()),
    fenced: fc.boolean(),
  }),
  fc.record({
    kind: kind('brokerState'),
    brokerId: node,
    brokerEpoch: epoch,
    state: fc.constantFrom('Starting', 'Running', 'ShuttingDown', 'Dead') as fc.Arbitrary<never>,
    fenced: fc.boolean(),
  }),
  fc.record({ kind: kind('unregisterBroker'), brokerId: node, brokerEpoch: epoch }),
  fc.record({ kind: kind('topic'), topicId: id, name: fc.string() }),
  fc.record({
    kind: kind('partition'),
    topicId: id,
    partition: small,
    replicas: nodes,
    isr: nodes,
    elr: nodes,
    lastKnownElr: nodes,
    leader: maybe(node) as fc.Arbitrary<never>,
    leaderEpoch: small,
    partitionEpoch: small,
  }),
  fc.record({
    kind: kind('partitionChange'),
    topicId: id,
    partition: small,
    replicas: maybe(nodes),
    isr: maybe(nodes),
    elr: maybe(nodes),
    lastKnownElr: maybe(nodes),
    leader: fc.oneof(fc.constant(null), maybe(node)) as fc.Arbitrary<never>,
    bumpLeaderEpoch: fc.boolean(),
  }),
  fc.record({ kind: kind('removeTopic'), topicId: id }),
  fc.record({
    kind: kind('config'),
    resourceType: fc.constantFrom(2, 4) as fc.Arbitrary<never>,
    resourceName: fc.string(),
    name: fc.string(),
    value: maybe(fc.string()),
  }),
  fc.record({ kind: kind('producerIds'), brokerId: node, brokerEpoch: epoch, nextProducerId: epoch }),
);

describe('the codec of metadata records', () => {
  it('reads what it wrote, for every kind of record', () => {
    fc.assert(
      fc.property(record, (each) => {
        expect(decodeRecord(encodeRecord(each))).toEqual(each);
      }),
      { numRuns: 500 },
    );
  });

  it('stops at a record of a type that it does not know, and says what to do', () => {
    const newer = Buffer.from([...[200 * 8 + 2].flatMap((tag) => [(tag & 0x7f) | 0x80, tag >> 7]), 0]);
    expect(() => decodeRecord(newer)).toThrow(UnknownRecordError);
    expect(() => decodeRecord(newer)).toThrow(
      /a record of type 200, which this version of Streamline does not know.*start that version/,
    );
  });

  it('stops at a listener, a broker state or a resource type that it does not know', () => {
    const registration = { brokerId: 1, brokerEpoch: 1, incarnationId: '', directoryId: '', rack: undefined, fenced: true };
    const endpoints = [{ name: 'telnet', host: 'h', port: 1 }];
    expect(() => decodeRecord(encodeRecord({ kind: 'registerBroker', ...registration, endpoints } as never))).toThrow(
      /listener called 'telnet'/,
    );
    const state = { kind: 'brokerState', brokerId: 1, brokerEpoch: 1, state: 'Asleep', fenced: true };
    expect(() => decodeRecord(encodeRecord(state as never))).toThrow(/broker state 0/);
    const config = { kind: 'config', resourceType: 9, resourceName: '', name: 'n', value: '' };
    expect(() => decodeRecord(encodeRecord(config as never))).toThrow(/resource type 9/);
  });
});
