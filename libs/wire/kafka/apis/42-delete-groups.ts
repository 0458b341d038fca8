import { api } from '../schema/api';
import { array, int16, int32, string } from '../schema/field';

/**
 * Deletes groups without members (KIP-229).
 * v3 adds an error message to each group.
 */
export const deleteGroups = api({
  key: 42,
  name: 'DeleteGroups',
  versions: '0-3',
  flexible: '2+',
  request: {
    groupsNames: array(string()),
  },
  response: {
    throttleTimeMs: int32(),
    results: array({
      groupId: string(),
      errorCode: int16(),
      errorMessage: string({ versions: '3+', nullable: true, default: null, ignorable: true }),
    }),
  },
});
