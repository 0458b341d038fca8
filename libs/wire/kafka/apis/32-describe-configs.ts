import { api } from '../schema/api';
import { array, bool, int16, int32, int8, string } from '../schema/field';

/**
 * Describes the configs of topics (resource type 2), brokers (4), loggers (8), client metrics (16) and groups (32).
 * v1 gives sources and synonyms (KIP-226), v3 types and documentation (KIP-569).
 */
export const describeConfigs = api({
  key: 32,
  name: 'DescribeConfigs',
  versions: '1-4',
  flexible: '4+',
  request: {
    resources: array({
      resourceType: int8(),
      resourceName: string(),
      configurationKeys: array(string(), { nullable: true }),
    }),
    includeSynonyms: bool({ default: false }),
    includeDocumentation: bool({ versions: '3+', default: false }),
  },
  response: {
    throttleTimeMs: int32(),
    results: array({
      errorCode: int16(),
      errorMessage: string({ nullable: true }),
      resourceType: int8(),
      resourceName: string(),
      configs: array({
        name: string(),
        value: string({ nullable: true }),
        readOnly: bool(),
        configSource: int8({ default: -1, ignorable: true }),
        isSensitive: bool(),
        synonyms: array(
          {
            name: string(),
            value: string({ nullable: true }),
            source: int8(),
          },
          { ignorable: true },
        ),
        configType: int8({ versions: '3+', default: 0, ignorable: true }),
        documentation: string({ versions: '3+', nullable: true, ignorable: true }),
      }),
    }),
  },
});
