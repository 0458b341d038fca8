import { describe, expect, it } from 'vitest';
import type { BrokerEpoch, NodeId } from '../types/ids';
import { BrokerSuspicions, REFUSED_FOR_MS } from './broker-suspicions';
import type { BrokerImage, BrokerState, MetadataImage } from './image';

const ONE = 1 as NodeId;

function imageOf(broker: { epoch?: number; state?: BrokerState; host?: string } = {}): MetadataImage {
  const { epoch = 7, state = 'Running', host = 'one' } = broker;
  const endpoints = [
    { name: 'kafka', host, port: 9092 },
    { name: 'storage', host, port: 9093 },
  ];
  const one = { id: ONE, epoch: epoch as BrokerEpoch, state, endpoints } as Partial<BrokerImage>;
  return { brokers: new Map([[ONE, one as BrokerImage]]) } as Partial<MetadataImage> as MetadataImage;
}

describe('BrokerSuspicions', () => {
  const gone = { brokerId: 1, brokerEpoch: 7 };

  it('takes a process for gone whose connections are lost and then refused', () => {
    const suspicions = new BrokerSuspicions();
    suspicions.lost(imageOf(), 'one:9093');
    expect(suspicions.gone(imageOf())).toEqual([]);
    expect(suspicions.refused(imageOf(), 'one:9093', 0)).toMatchObject(gone);
    expect(suspicions.gone(imageOf())).toMatchObject([gone]);
    expect(suspicions.gone(imageOf({ state: 'Dead' }))).toEqual([]);
  });

  it('takes no refusal alone for it, nor one at another address of the broker', () => {
    const suspicions = new BrokerSuspicions();
    suspicions.heard(ONE);
    expect(suspicions.refused(imageOf(), 'one:9093', 0)).toBeUndefined();
    suspicions.lost(imageOf(), 'one:9093');
    for (const address of ['one:9092', 'two:9093']) expect(suspicions.refused(imageOf(), address, 0)).toBeUndefined();
    suspicions.lost(imageOf({ host: 'fd00::1' }), '[fd00::1]:9093');
    expect(suspicions.refused(imageOf({ host: 'fd00::1' }), '[fd00::1]:9093', 0)).toMatchObject(gone);
  });

  it('forgets a suspicion at a sign of life', () => {
    const suspicions = new BrokerSuspicions();
    suspicions.lost(imageOf(), 'one:9093');
    suspicions.heard(ONE);
    expect(suspicions.refused(imageOf(), 'one:9093', 0)).toBeUndefined();
  });

  it('means the incarnation that was lost, not one that has registered since', () => {
    const suspicions = new BrokerSuspicions();
    suspicions.lost(imageOf(), 'one:9093');
    expect(suspicions.refused(imageOf({ epoch: 8 }), 'one:9093', 0)).toBeUndefined();
    suspicions.refused(imageOf(), 'one:9093', 0);
    expect(suspicions.gone(imageOf({ epoch: 8 }))).toEqual([]);
    expect(suspicions.gone(imageOf())).toEqual([]);
  });

  it('has no news of a broker that is Dead', () => {
    const suspicions = new BrokerSuspicions();
    suspicions.lost(imageOf({ state: 'Dead' }), 'one:9093');
    expect(suspicions.refused(imageOf(), 'one:9093', 0)).toBeUndefined();
    suspicions.lost(imageOf({ state: 'ShuttingDown' }), 'one:9093');
    expect(suspicions.refused(imageOf({ state: 'Dead' }), 'one:9093', 0)).toBeUndefined();
    expect(suspicions.refused(imageOf({ state: 'ShuttingDown' }), 'one:9093', 0)).toMatchObject(gone);
  });

  describe('of a broker that nothing was ever heard of', () => {
    const refusedTwice = (suspicions: BrokerSuspicions, between: () => void = () => undefined, afterMs = REFUSED_FOR_MS) => {
      expect(suspicions.refused(imageOf(), 'one:9093', 1_000)).toBeUndefined();
      between();
      return suspicions.refused(imageOf(), 'one:9093', 1_000 + afterMs);
    };

    it('takes its process for gone once its address has refused connections for long enough, as behind a restart of all nodes', () => {
      const suspicions = new BrokerSuspicions();
      expect(refusedTwice(suspicions, undefined, REFUSED_FOR_MS - 1)).toBeUndefined();
      expect(suspicions.gone(imageOf())).toEqual([]);
      expect(suspicions.refused(imageOf(), 'one:9093', 1_000 + REFUSED_FOR_MS)).toMatchObject(gone);
      expect(suspicions.gone(imageOf())).toMatchObject([gone]);
      suspicions.heard(ONE);
      expect(suspicions.gone(imageOf())).toEqual([]);
    });

    it.each([
      ['registers or sends a heartbeat', (suspicions: BrokerSuspicions) => suspicions.heard(ONE)],
      ['dials this controller', (suspicions: BrokerSuspicions) => suspicions.reached(imageOf(), 'one:9093')],
    ])('does not where it %s meanwhile, whatever is refused from then on', (_what, sign) => {
      const suspicions = new BrokerSuspicions();
      expect(refusedTwice(suspicions, () => sign(suspicions))).toBeUndefined();
      expect(refusedTwice(suspicions)).toBeUndefined();
      expect(suspicions.gone(imageOf())).toEqual([]);
    });

    it('counts from where this process knows of the incarnation: what was refused before may have been its predecessor', () => {
      const suspicions = new BrokerSuspicions();
      refusedTwice(suspicions);
      const registeredMs = 1_001 + REFUSED_FOR_MS;
      expect(suspicions.refused(imageOf({ epoch: 8 }), 'one:9093', registeredMs)).toBeUndefined();
      expect(suspicions.gone(imageOf({ epoch: 8 }))).toEqual([]);
      const later = suspicions.refused(imageOf({ epoch: 8 }), 'one:9093', registeredMs + REFUSED_FOR_MS);
      expect(later).toMatchObject({ brokerEpoch: 8 });
    });
  });

  it('keeps a connection for lost though a process dials from there: its broker is to register first', () => {
    const suspicions = new BrokerSuspicions();
    suspicions.lost(imageOf(), 'one:9093');
    suspicions.reached(imageOf(), 'one:9093');
    expect(suspicions.refused(imageOf(), 'one:9093', 0)).toMatchObject(gone);
  });
});
