import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { NodeId } from '../types/ids';
import type { PlacementBroker } from './placement';
import { placeReplicas } from './placement';

type Placed = readonly (readonly NodeId[])[];

/** A broker for each rack that is named; '' for none. Ids are 1, 2, 3. */
function brokersIn(...racks: readonly string[]): readonly PlacementBroker[] {
  return racks.map((rack, at) => ({ id: (at + 1) as NodeId, rack: rack === '' ? undefined : rack }));
}

function place(brokers: readonly PlacementBroker[], partitions: number, replicationFactor: number, firstShift = 0): Placed {
  return placeReplicas(brokers, { partitions, replicationFactor, firstShift, rackAware: true });
}

function tally(brokers: readonly PlacementBroker[], ids: readonly (NodeId | undefined)[]): number[] {
  return brokers.map(({ id }) => ids.filter((each) => each === id).length);
}

function difference(counts: readonly number[]): number {
  return Math.max(...counts) - Math.min(...counts);
}

/** How many replicas of a partition are in each rack; racks without any are there too. */
function perRack(brokers: readonly PlacementBroker[], replicas: readonly NodeId[]): Map<string | undefined, number> {
  const counts = new Map(brokers.map(({ rack }) => [rack, 0]));
  for (const { id, rack } of brokers) counts.set(rack, (counts.get(rack) ?? 0) + (replicas.includes(id) ? 1 : 0));
  return counts;
}

/** The most by which a broker has more replicas than another that could take one from it without making the spread worse. */
function unevenness(brokers: readonly PlacementBroker[], placed: Placed): number {
  const loads = new Map(tally(brokers, placed.flat()).map((count, at) => [brokers[at]?.id, count]));
  let worst = 0;
  for (const replicas of placed) {
    const counts = perRack(brokers, replicas);
    for (const from of brokers.filter(({ id }) => replicas.includes(id))) {
      for (const to of brokers.filter(({ id }) => !replicas.includes(id))) {
        const mayMove =
          replicas.length === 1 || from.rack === to.rack || (counts.get(from.rack) ?? 0) > (counts.get(to.rack) ?? 0);
        if (mayMove) worst = Math.max(worst, (loads.get(from.id) ?? 0) - (loads.get(to.id) ?? 0));
      }
    }
  }
  return worst;
}

/** Any racks of any sizes, some brokers without one, ids in any order. */
const clusters = fc
  .record({
    sizes: fc.array(fc.integer({ min: 1, max: 6 }), { minLength: 1, maxLength: 6 }),
    rackless: fc.nat(3),
    ids: fc.uniqueArray(fc.integer({ min: 1, max: 1000 }), { minLength: 39, maxLength: 39 }),
  })
  .map(({ sizes, rackless, ids }) => {
    const racks = [...sizes.flatMap((size, at) => Array<string>(size).fill(`rack-${at}`)), ...Array<string>(rackless).fill('')];
    return brokersIn(...racks).map(({ rack }, at) => ({ id: (ids[at] ?? at) as NodeId, rack }));
  });
const requests = fc.record({ partitions: fc.integer({ min: 1, max: 60 }), extra: fc.nat(5), firstShift: fc.nat(100) });

describe('placeReplicas', () => {
  it('puts a partition on as many brokers as asked, over as many racks as there are, evenly where racks have room', () => {
    fc.assert(
      fc.property(clusters, requests, (brokers, { partitions, extra, firstShift }) => {
        const replicationFactor = 1 + (extra % brokers.length);
        const placed = place(brokers, partitions, replicationFactor, firstShift);
        expect(placed).toHaveLength(partitions);
        for (const replicas of placed) {
          expect(new Set(replicas).size).toBe(replicationFactor);
          const counts = perRack(brokers, replicas);
          expect([...counts.values()].filter((count) => count > 0)).toHaveLength(Math.min(replicationFactor, counts.size));
          const most = Math.max(...counts.values());
          for (const [rack, count] of counts) {
            const isFull = count === brokers.filter((broker) => broker.rack === rack).length;
            if (!isFull) expect(most - count).toBeLessThanOrEqual(1);
          }
        }
      }),
    );
  });

  it('gives brokers as many replicas as others that could take them, and as many leaderships, in any shape of racks', () => {
    fc.assert(
      fc.property(clusters, requests, (brokers, { partitions, extra, firstShift }) => {
        const placed = place(brokers, partitions, 1 + (extra % brokers.length), firstShift);
        expect(unevenness(brokers, placed)).toBeLessThanOrEqual(1);
        expect(
          difference(
            tally(
              brokers,
              placed.map(([leader]) => leader),
            ),
          ),
        ).toBeLessThanOrEqual(1);
        for (const rack of new Set(brokers.map((broker) => broker.rack))) {
          const members = brokers.filter((broker) => broker.rack === rack);
          expect(difference(tally(members, placed.flat()))).toBeLessThanOrEqual(1);
        }
      }),
      { numRuns: 60 },
    );
  });

  it('is the same whatever order the brokers are in', () => {
    fc.assert(
      fc.property(clusters, requests, (brokers, { partitions, extra, firstShift }) => {
        const replicationFactor = 1 + (extra % brokers.length);
        const placed = place(brokers, partitions, replicationFactor, firstShift);
        expect(place(brokers.toReversed(), partitions, replicationFactor, firstShift)).toEqual(placed);
      }),
      { numRuns: 30 },
    );
  });

  it('balances what is added to a topic with what it has, also on brokers that came since', () => {
    const brokers = brokersIn('a', 'b', 'c', 'a', 'b', 'c');
    const before = place(brokers.slice(0, 3), 6, 2);
    const request = { partitions: 12, replicationFactor: 2, firstShift: 6, rackAware: true, existing: before };
    const all = [...before, ...placeReplicas(brokers, request)];
    expect(tally(brokers, all.flat())).toEqual([6, 6, 6, 6, 6, 6]);
    expect(
      tally(
        brokers,
        all.map(([leader]) => leader),
      ),
    ).toEqual([3, 3, 3, 3, 3, 3]);
  });

  it('gives the replicas of uneven racks to every rack first: one broker alone in its rack has one of each partition', () => {
    const brokers = brokersIn('a', 'b', 'b', 'b', 'b', 'b');
    const placed = place(brokers, 30, 2);
    expect(tally(brokers, placed.flat())).toEqual([30, 6, 6, 6, 6, 6]);
    expect(
      tally(
        brokers,
        placed.map(([leader]) => leader),
      ),
    ).toEqual([5, 5, 5, 5, 5, 5]);
  });

  it('takes brokers without a rack for one rack together', () => {
    const brokers = brokersIn('a', 'a', '', '');
    for (const replicas of place(brokers, 8, 2))
      expect(perRack(brokers, replicas)).toEqual(
        new Map([
          ['a', 1],
          [undefined, 1],
        ]),
      );
  });

  it('does not look at racks where it is not to', () => {
    const brokers = brokersIn('a', 'b', 'b', 'b', 'b', 'b');
    const placed = placeReplicas(brokers, { partitions: 30, replicationFactor: 2, firstShift: 0, rackAware: false });
    expect(tally(brokers, placed.flat())).toEqual([10, 10, 10, 10, 10, 10]);
  });

  it('begins each topic one broker further, so that topics of one partition are led by all', () => {
    const brokers = brokersIn('a', 'b', 'b', 'c', 'c', 'c');
    const topics = Array.from({ length: 12 }, (_, shift) => place(brokers, 1, 3, shift)[0] ?? []);
    expect(
      tally(
        brokers,
        topics.map(([leader]) => leader),
      ),
    ).toEqual([2, 2, 2, 2, 2, 2]);
  });

  it('has others take over for a broker, not one other', () => {
    const brokers = brokersIn('a', 'a', 'b', 'b', 'c', 'c');
    const placed = place(brokers, 72, 3);
    for (const { id } of brokers) {
      const next = placed.filter(([leader]) => leader === id).map((replicas) => replicas[1]);
      expect(new Set(next).size).toBeGreaterThan(1);
    }
  });

  it('places 10,000 partitions on 60 brokers of 3 uneven racks within a second of a CPU', () => {
    const racks = Array.from({ length: 60 }, (_, at) => (at < 10 ? 'a' : at < 30 ? 'b' : 'c'));
    const before = process.cpuUsage();
    expect(place(brokersIn(...racks), 10_000, 3)).toHaveLength(10_000);
    expect(process.cpuUsage(before).user).toBeLessThan(1_000_000);
  });

  it('does not place more replicas than there are brokers', () => {
    expect(() => place(brokersIn('a', 'b'), 1, 3)).toThrow(RangeError);
  });
});
