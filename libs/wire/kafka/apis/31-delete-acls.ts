import { api } from '../schema/api';
import { array, int16, int32, int8, string } from '../schema/field';

/**
 * Deletes the ACLs that match filters, and tells which they were.
 * v1 adds prefixed patterns (KIP-290), v3 user resources (KIP-373).
 */
export const deleteAcls = api({
  key: 31,
  name: 'DeleteAcls',
  versions: '1-3',
  flexible: '2+',
  request: {
    filters: array({
      resourceTypeFilter: int8(),
      resourceNameFilter: string({ nullable: true }),
      patternTypeFilter: int8({ default: 3 }),
      principalFilter: string({ nullable: true }),
      hostFilter: string({ nullable: true }),
      operation: int8(),
      permissionType: int8(),
    }),
  },
  response: {
    throttleTimeMs: int32(),
    filterResults: array({
      errorCode: int16(),
      errorMessage: string({ nullable: true }),
      matchingAcls: array({
        errorCode: int16(),
        errorMessage: string({ nullable: true }),
        resourceType: int8(),
        resourceName: string(),
        patternType: int8({ default: 3 }),
        principal: string(),
        host: string(),
        operation: int8(),
        permissionType: int8(),
      }),
    }),
  },
});
