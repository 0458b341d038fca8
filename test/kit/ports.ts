import { once } from 'node:events';
import net from 'node:net';

/** Below the range that the system gives to outgoing connections, so that no such connection takes one. */
const FIRST_PORT = 25_000;
const PORTS = 2_000;
/** An address of loopback that nothing is served at. */
const CLAIMED_AT = '127.0.99.1';

/** Undefined where somebody listens there. */
async function listen(host: string, port: number): Promise<net.Server | undefined> {
  const server = net.createServer();
  const refused = once(server, 'error').then(() => undefined);
  const listening = once(server, 'listening').then(() => server);
  server.listen(port, host);
  return Promise.race([refused, listening]);
}

function close(server: net.Server | undefined): Promise<void> {
  return new Promise((closed) => (server ? server.close(() => closed()) : closed()));
}

async function isFree(host: string, port: number): Promise<boolean> {
  const server = await listen(host, port);
  await close(server);
  return server !== undefined;
}

/**
 * Consecutive TCP ports that are free on each of the hosts. They are this process's as long as it runs, also while nobody listens there:
 * what it starts may be killed and started again, and other processes with specs look for ports meanwhile.
 */
export async function claimPorts(count: number, hosts: readonly string[] = ['127.0.0.1']): Promise<number[]> {
  const offset = Math.floor(Math.random() * PORTS);
  for (let step = 0; step < PORTS; step += 1) {
    const first = FIRST_PORT + ((offset + step * count) % (PORTS - count));
    const ports = Array.from({ length: count }, (_, index) => first + index);
    const claims = await Promise.all(ports.map((port) => listen(CLAIMED_AT, port)));
    const tried = claims.every(Boolean) ? hosts.flatMap((host) => ports.map((port) => isFree(host, port))) : [];
    if (tried.length > 0 && (await Promise.all(tried)).every(Boolean)) {
      for (const claim of claims) claim?.unref();
      return ports;
    }
    await Promise.all(claims.map(close));
  }
  throw new Error(`no ${count} ports between ${FIRST_PORT} and ${FIRST_PORT + PORTS} are free on ${hosts.join(', ')}`);
}
