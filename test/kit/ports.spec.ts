import net from 'node:net';
import { expect, it } from 'vitest';
import { claimPorts } from './ports';

it('are claimed once, also while nobody listens at them, and free on each host', async () => {
  const hosts = ['127.0.0.1', '127.0.0.2'];
  const claimed = await Promise.all(Array.from({ length: 20 }, () => claimPorts(3, hosts)));
  expect(new Set(claimed.flat()).size).toBe(60);
  for (const [first = 0, second, third] of claimed) expect([second, third]).toEqual([first + 1, first + 2]);
  const server = net.createServer();
  await new Promise<void>((listening) => server.listen(claimed[0]?.[1], '127.0.0.2', listening));
  await new Promise((closed) => server.close(closed));
});
