import { api } from '../schema/api';
import { array, int16, int32, int8, string } from '../schema/field';

/** Describes SCRAM credentials without the secrets (KIP-554). */
export const describeUserScramCredentials = api({
  key: 50,
  name: 'DescribeUserScramCredentials',
  versions: '0',
  flexible: '0+',
  request: {
    users: array(
      {
        name: string(),
      },
      { nullable: true },
    ),
  },
  response: {
    throttleTimeMs: int32(),
    errorCode: int16(),
    errorMessage: string({ nullable: true }),
    results: array({
      user: string(),
      errorCode: int16(),
      errorMessage: string({ nullable: true }),
      credentialInfos: array({
        mechanism: int8(),
        iterations: int32(),
      }),
    }),
  },
});
