import { describe, expect, it } from 'vitest';
import { EpochHistory } from './epoch-history';

/** Epoch 1 from 0, 3 from 10, 7 from 20. */
function history(): EpochHistory {
  const epochs = new EpochHistory();
  epochs.begin(1, 0);
  epochs.begin(3, 10);
  epochs.begin(7, 20);
  return epochs;
}

describe('EpochHistory', () => {
  it('tells the largest epoch at or below one, and where it ends (KIP-101, KIP-279)', () => {
    expect(history().endOffsetFor(7, 25)).toEqual({ epoch: 7, endOffset: 25 });
    expect(history().endOffsetFor(3, 25)).toEqual({ epoch: 3, endOffset: 20 });
    expect(history().endOffsetFor(5, 25)).toEqual({ epoch: 3, endOffset: 20 });
    expect(history().endOffsetFor(0, 25)).toEqual({ epoch: 0, endOffset: 0 });
    expect(history().endOffsetFor(8, 25)).toBeUndefined();
    expect(new EpochHistory().endOffsetFor(0, 0)).toBeUndefined();
  });

  it('tells which epoch wrote an offset', () => {
    expect([0, 9, 10, 19, 20, 99].map((offset) => history().epochOf(offset))).toEqual([1, 1, 3, 3, 7, 7]);
  });

  it('takes no epoch that is not newer, and forgets epochs that wrote nothing', () => {
    const epochs = history();
    expect(epochs.begin(7, 30)).toBe(false);
    expect(epochs.begin(8, 20)).toBe(true);
    expect(epochs.all()).toEqual([
      { epoch: 1, startOffset: 0 },
      { epoch: 3, startOffset: 10 },
      { epoch: 8, startOffset: 20 },
    ]);
  });

  it('follows truncations and a log start that moves', () => {
    const epochs = history();
    epochs.truncateTo(20);
    expect(epochs.latestEpoch).toBe(3);
    epochs.advanceStart(15);
    expect(epochs.all()).toEqual([{ epoch: 3, startOffset: 15 }]);
  });

  it('moves an epoch of which the first batches are lost to the end that is left (R-5)', () => {
    const epochs = history();
    epochs.endAt(12);
    expect(epochs.all()).toEqual([
      { epoch: 1, startOffset: 0 },
      { epoch: 3, startOffset: 10 },
      { epoch: 7, startOffset: 12 },
    ]);
  });
});
