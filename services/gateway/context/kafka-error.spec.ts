import { ErrorCode } from '@streamline/core/types/error-code';
import { describe, expect, it } from 'vitest';
import { KafkaError } from './kafka-error';

describe('KafkaError', () => {
  it('has no stack, and leaves the errors after it theirs', () => {
    const error = new KafkaError(ErrorCode.INVALID_REQUEST, 'the request names a thing twice');
    expect(error.stack).not.toContain('\n');
    expect(error.message).toBe('the request names a thing twice');
    expect(new Error('a defect').stack).toContain('kafka-error.spec');
  });
});
