import { api } from '../schema/api';
import { array, int16, int32, string, uuid } from '../schema/field';

/**
 * Deletes topics by name, from v6 on by id too (KIP-516).
 * v5 adds error messages.
 */
export const deleteTopics = api({
  key: 20,
  name: 'DeleteTopics',
  versions: '1-6',
  flexible: '4+',
  request: {
    topics: array(
      {
        name: string({ nullable: true, default: null }),
        topicId: uuid(),
      },
      { versions: '6+' },
    ),
    topicNames: array(string(), { versions: '0-5', ignorable: true }),
    timeoutMs: int32(),
  },
  response: {
    throttleTimeMs: int32({ ignorable: true }),
    responses: array({
      name: string({ nullable: '6+' }),
      topicId: uuid({ versions: '6+', ignorable: true }),
      errorCode: int16(),
      errorMessage: string({ versions: '5+', nullable: true, default: null, ignorable: true }),
    }),
  },
});
