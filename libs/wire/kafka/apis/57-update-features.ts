import { api } from '../schema/api';
import { array, bool, int16, int32, int8, string } from '../schema/field';

/**
 * Raises or lowers finalized features (KIP-584).
 * v1 tells the kind of change and can validate only (KIP-778); v2 has no results per feature (KIP-1022).
 */
export const updateFeatures = api({
  key: 57,
  name: 'UpdateFeatures',
  versions: '0-2',
  flexible: '0+',
  request: {
    timeoutMs: int32({ default: 60000 }),
    featureUpdates: array({
      feature: string(),
      maxVersionLevel: int16(),
      allowDowngrade: bool({ versions: '0' }),
      upgradeType: int8({ versions: '1+', default: 1 }),
    }),
    validateOnly: bool({ versions: '1+', default: false }),
  },
  response: {
    throttleTimeMs: int32(),
    errorCode: int16(),
    errorMessage: string({ nullable: true }),
    results: array(
      {
        feature: string(),
        errorCode: int16(),
        errorMessage: string({ nullable: true }),
      },
      { versions: '0-1', ignorable: true },
    ),
  },
});
