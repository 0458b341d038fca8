import { api } from '../schema/api';
import { array, bool, float64, int16, int32, string } from '../schema/field';

/** Sets and removes client quotas (KIP-546). */
export const alterClientQuotas = api({
  key: 49,
  name: 'AlterClientQuotas',
  versions: '0-1',
  flexible: '1+',
  request: {
    entries: array({
      entity: array({
        entityType: string(),
        entityName: string({ nullable: true }),
      }),
      ops: array({
        key: string(),
        value: float64(),
        remove: bool(),
      }),
    }),
    validateOnly: bool(),
  },
  response: {
    throttleTimeMs: int32(),
    entries: array({
      errorCode: int16(),
      errorMessage: string({ nullable: true }),
      entity: array({
        entityType: string(),
        entityName: string({ nullable: true }),
      }),
    }),
  },
});
