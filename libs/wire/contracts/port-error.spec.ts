import { describe, expect, it } from 'vitest';
import { failureFields, PortError } from './port-error';

describe('failureFields', () => {
  it.each(['unavailable', 'deadline', 'cancelled', 'overloaded', 'retired', 'invalid'] as const)(
    'tells a call that failed as %s in a sentence, without a stack',
    (code) => expect(failureFields(new PortError(code, 'no leader is elected'))).toEqual({ reason: 'no leader is elected' }),
  );

  it('tells a defect whole', () => {
    const defects = [new PortError('internal', 'a field is missing'), new TypeError('x is not a function'), 'thrown as it is'];
    expect(defects.map(failureFields)).toEqual(defects.map((err) => ({ err })));
  });
});
