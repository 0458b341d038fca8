import { api } from '../schema/api';
import { array, int16, int32, int8, string } from '../schema/field';

/**
 * Adds ACLs.
 * v1 adds prefixed patterns (KIP-290), v3 user resources (KIP-373).
 */
export const createAcls = api({
  key: 30,
  name: 'CreateAcls',
  versions: '1-3',
  flexible: '2+',
  request: {
    creations: array({
      resourceType: int8(),
      resourceName: string(),
      resourcePatternType: int8({ default: 3 }),
      principal: string(),
      host: string(),
      operation: int8(),
      permissionType: int8(),
    }),
  },
  response: {
    throttleTimeMs: int32(),
    results: array({
      errorCode: int16(),
      errorMessage: string({ nullable: true }),
    }),
  },
});
