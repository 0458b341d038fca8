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
const feature = fc.record({ name: fc.string(), minLevel: small, maxLevel: small });

const record: fc.Arbitrary<MetadataRecord> = fc.oneof(
  fc.record({ kind: kind('cluster'), clusterId: id }),
  fc.record({ kind: kind('featureLevel'), name: fc.constant('metadata.version'), level: fc.constantFrom(0, 1) }),
  fc.record({
    kind: kind('registerBroker'),
    brokerId: node,
    brokerEpoch: epoch,
    incarnationId: fc.string(),
    directoryId: id,
    endpoints: fc.array(endpoint) as fc.Arbitrary<never>,
    rack: maybe(fc.string()),
    features: maybe(fc.array(feature, { minLength: 1, maxLength: 3 })),
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
    addingReplicas: nodes,
    removingReplicas: nodes,
    failedReplicas: nodes,
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
    addingReplicas: maybe(nodes),
    removingReplicas: maybe(nodes),
    failedReplicas: maybe(nodes),
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

  it('stops at a feature, or a level of one, that it does not know', () => {
    const finalized = (name: string, level: number) => () => decodeRecord(encodeRecord({ kind: 'featureLevel', name, level }));
    expect(finalized('metadata.version', 1)).not.toThrow();
    expect(finalized('metadata.version', 3)).toThrow(
      /the feature metadata.version at level 3 \(this version knows levels up to 2\), which this version/,
    );
    expect(finalized('share.version', 1)).toThrow(UnknownRecordError);
    expect(finalized('share.version', 0)).not.toThrow();
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

  it('leaves nothing of a record that could not be encoded in the next one, nor of one record in another', () => {
    const topic: MetadataRecord = { kind: 'topic', topicId: 'AAAAAAAAAAAAAAAAAAAAAQ' as never, name: 'orders' };
    const first = encodeRecord(topic);
    const copy = Buffer.from(first);
    const tooLarge = { kind: 'featureLevel', name: 'x'.repeat(300), level: 2 ** 40 };
    expect(() => encodeRecord(tooLarge as never)).toThrow();
    expect(copy.equals(encodeRecord(topic))).toBe(true);
    expect(copy.equals(first)).toBe(true);
  });
});
