import { api } from '../schema/api';
import { array, int16, int32, int8, string } from '../schema/field';

/**
 * Lists resources that have configs (KIP-1142).
 * v0 is ListClientMetricsResources (KIP-714).
 */
export const listConfigResources = api({
  key: 74,
  name: 'ListConfigResources',
  versions: '0-1',
  flexible: '0+',
  request: {
    resourceTypes: array(int8(), { versions: '1+' }),
  },
  response: {
    throttleTimeMs: int32(),
    errorCode: int16(),
    configResources: array({
      resourceName: string(),
      resourceType: int8({ versions: '1+', default: 16, ignorable: true }),
    }),
  },
});
