import { api } from '../schema/api';
import { array, bool, int16, int32, int64, string } from '../schema/field';

/**
 * Tells which APIs and versions the broker knows; the first request of every client.
 * The response's header is always of version 0, so that a client can read it before versions are agreed on. v3 names the
 * client software (KIP-511) and adds features (KIP-584); v5 checks that the client talks to the node and cluster that it
 * means (KIP-1242).
 */
export const apiVersions = api({
  key: 18,
  name: 'ApiVersions',
  versions: '0-5',
  flexible: '3+',
  request: {
    clientSoftwareName: string({ versions: '3+', ignorable: true }),
    clientSoftwareVersion: string({ versions: '3+', ignorable: true }),
    clusterId: string({ versions: '5+', nullable: true, default: null, ignorable: true }),
    nodeId: int32({ versions: '5+', default: -1, ignorable: true }),
  },
  response: {
    errorCode: int16(),
    apiKeys: array({
      apiKey: int16(),
      minVersion: int16(),
      maxVersion: int16(),
    }),
    throttleTimeMs: int32({ versions: '1+', ignorable: true }),
    supportedFeatures: array(
      {
        name: string(),
        minVersion: int16(),
        maxVersion: int16(),
      },
      { versions: '3+', tag: 0, ignorable: true },
    ),
    finalizedFeaturesEpoch: int64({ versions: '3+', tag: 1, default: -1n, ignorable: true }),
    finalizedFeatures: array(
      {
        name: string(),
        maxVersionLevel: int16(),
        minVersionLevel: int16(),
      },
      { versions: '3+', tag: 2, ignorable: true },
    ),
    zkMigrationReady: bool({ versions: '3+', tag: 3, default: false, ignorable: true }),
  },
});
