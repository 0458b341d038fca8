import * as grpc from '@grpc/grpc-js';
import { promises as dns } from 'node:dns';
import { afterEach, expect, it, vi } from 'vitest';
import { until } from '@streamline/testing/time/until';
import { PLAIN_TEXT } from '../security/plain-text';
import { openChannel } from './channel';

const NAME = 'streamline-2.example';
/** Of this machine, where nobody listens. */
const NOBODY = '127.0.0.99';
/** Below the half minute that gRPC would wait by itself. */
const FOUND_WITHIN_MS = 60_000;

let server: grpc.Server | undefined;
afterEach(() => {
  vi.restoreAllMocks();
  server?.forceShutdown();
});

it('finds a host soon whose name did not resolve at first, then led elsewhere', { timeout: 2 * FOUND_WITHIN_MS }, async () => {
  const listening = new grpc.Server();
  server = listening;
  const port = await new Promise<number>((resolve, reject) => {
    listening.bindAsync('127.0.0.1:0', grpc.ServerCredentials.createInsecure(), (error, bound) => {
      if (error === null) resolve(bound);
      else reject(error);
    });
  });
  let lookups = 0;
  vi.spyOn(dns, 'lookup').mockImplementation(() => {
    lookups++;
    if (lookups === 1) return Promise.reject(Object.assign(new Error('getaddrinfo ENOTFOUND'), { code: 'ENOTFOUND' }));
    return Promise.resolve([{ address: lookups === 2 ? NOBODY : '127.0.0.1', family: 4 }]) as never;
  });
  const channel = openChannel(`${NAME}:${port}`, PLAIN_TEXT.channelCredentials);
  try {
    // As each call does.
    await until(() => channel.getChannel().getConnectivityState(true) === grpc.connectivityState.READY, FOUND_WITHIN_MS);
    expect(lookups).toBe(3);
  } finally {
    channel.close();
  }
});
