import { api } from '../schema/api';
import { array, bool, float64, int16, int32, int8, string } from '../schema/field';

/** Describes client quotas that match a filter (KIP-546). */
export const describeClientQuotas = api({
  key: 48,
  name: 'DescribeClientQuotas',
  versions: '0-1',
  flexible: '1+',
  request: {
    components: array({
      entityType: string(),
      matchType: int8(),
      match: string({ nullable: true }),
    }),
    strict: bool(),
  },
  response: {
    throttleTimeMs: int32(),
    errorCode: int16(),
    errorMessage: string({ nullable: true }),
    entries: array(
      {
        entity: array({
          entityType: string(),
          entityName: string({ nullable: true }),
        }),
        values: array({
          key: string(),
          value: float64(),
        }),
      },
      { nullable: true },
    ),
  },
});
