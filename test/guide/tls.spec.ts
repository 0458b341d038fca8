import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import tls from 'node:tls';
import { Links } from '@streamline/platform/links/links';
import type { InterBrokerSecurity } from '@streamline/platform/security/inter-broker-security';
import { PLAIN_TEXT } from '@streamline/platform/security/plain-text';
import { LINK_PROTOCOL } from '@streamline/platform/security/tls-listener';
import { TestAuthority, type IssuedCertificate } from '@streamline/testing/tls/test-authority';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Cluster, dumpFailures } from '../kit/cluster';
import { StatusWatch, untruths } from '../kit/cluster-watch';
import { ProducedTopic } from '../kit/produced-topic';
import { PATIENT_ELECTIONS } from './runs';
import { createTopic, topicsAt } from './topics';

/** Node 4 has a certificate of another authority, node 5 none. */
const TRUSTED = [1, 2, 3];
const FOREIGN = 4;
const PLAIN = 5;
const RECORDS = 10;

const authority = new TestAuthority();
let directory: string;
let cluster: Cluster;

async function keep(name: string, { cert, key }: IssuedCertificate): Promise<void> {
  await writeFile(path.join(directory, `${name}.pem`), cert);
  await writeFile(path.join(directory, `${name}.key`), key, { mode: 0o600 });
}

function certify(id: number): Promise<void> {
  return keep(`node${id}`, authority.issue({ commonName: `node ${id}`, hosts: [`127.0.0.${id}`] }));
}

type Stranger = Pick<InterBrokerSecurity, 'secureLink'>;

/** Trusts the authority and has no certificate to show. */
const NAMELESS: Stranger = {
  secureLink: async (connection) => {
    const socket = tls.connect({ socket: connection, ca: [authority.cert], ALPNProtocols: [LINK_PROTOCOL] });
    await once(socket, 'secureConnect');
    return socket.pause();
  },
};

/** Why a link to this address ends that a stranger opens; fails where it is spoken on. */
function endOfLink(address: string, security: Stranger): Promise<string> {
  return new Promise((resolve, reject) => {
    const onFrame = (): void => reject(new Error(`${address} answers`));
    const links = new Links({ security, clock: { schedule: () => () => undefined }, records: () => undefined });
    const link = links.dial(address, { onFrame, onDrain: () => undefined, onEnd: resolve });
    link.write(Buffer.from('not even a frame'));
  });
}

function tlsFlags(id: number): readonly string[] {
  if (id === PLAIN) return PATIENT_ELECTIONS;
  const file = (name: string): string => path.join(directory, name);
  return [
    ...PATIENT_ELECTIONS,
    ...['--inter-broker-tls-enabled', 'true', '--inter-broker-tls-ca-cert-path', file('ca.pem')],
    ...['--inter-broker-tls-cert-path', file(`node${id}.pem`), '--inter-broker-tls-key-path', file(`node${id}.key`)],
  ];
}

beforeAll(async () => {
  directory = await mkdtemp(path.join(tmpdir(), 'streamline-guide-tls-'));
  const other = new TestAuthority('Another CA');
  await writeFile(path.join(directory, 'ca.pem'), authority.cert);
  for (const id of TRUSTED) await certify(id);
  await keep(`node${FOREIGN}`, other.issue({ hosts: [`127.0.0.${FOREIGN}`] }));
  cluster = await Cluster.onLoopback({ nodes: 5, flags: tlsFlags });
  await cluster.form(...TRUSTED);
});
afterAll(async () => {
  await cluster.remove();
  await rm(directory, { recursive: true, force: true });
});
dumpFailures(() => cluster);

describe('Communication', () => {
  it('"Inter-broker communication can be secured with mutual TLS (mTLS)": a cluster elects, replicates its metadata and survives the death of its leader over it', async () => {
    await createTopic(cluster.node(3), 'secured');
    const old = await cluster.leader();
    const survivors = cluster.running.filter((node) => node !== old);
    const watch = new StatusWatch(survivors);
    await old.kill();
    const leader = await cluster.leader(survivors);
    await createTopic(leader, 'secured-still');
    await old.start();
    await cluster.formed(TRUSTED);
    expect(untruths(await watch.stop())).toEqual([]);
    for (const id of TRUSTED) {
      await cluster.until(`node ${id} has both topics`, async () => {
        const known = await topicsAt(cluster.node(id));
        return known.has('secured') && known.has('secured-still');
      });
    }
  });

  it('"Data replication (actual topic messages) is handled by a separate replication layer", over it as well: what three replicas acknowledge outlives the death of their leader, while certificates are replaced under load', async () => {
    const configEntries = [{ name: 'min.insync.replicas', value: '2' }];
    const config = { topic: 'secured-records', numPartitions: 1, replicationFactor: 3, configEntries };
    const topic = await ProducedTopic.create(cluster, config);
    const written = async (count: number): Promise<void> => {
      const before = topic.acknowledged.length;
      await cluster.until('records are acknowledged', () => Promise.resolve(topic.acknowledged.length >= before + count));
    };
    let isOver = false;
    const producing = (async () => {
      while (!isOver) await topic.produce(1);
    })();
    try {
      const { leader } = await topic.becomes('all replicas are in sync', ({ isr }) => isr.length === TRUSTED.length);
      await written(RECORDS);
      for (const id of TRUSTED) await certify(id);
      for (const id of TRUSTED) await cluster.node(id).logs('were read anew');
      await written(RECORDS);
      await cluster.node(leader).kill();
      await topic.becomes('another one leads', (now) => now.leader > 0 && now.leader !== leader);
      await written(RECORDS);
      await cluster.node(leader).start();
      await topic.becomes('the killed one is in sync again', ({ isr }) => isr.length === TRUSTED.length);
      await written(RECORDS);
      isOver = true;
      await producing;
      expect(await topic.read()).toEqual(topic.acknowledged);
    } finally {
      isOver = true;
      await producing.catch(() => undefined);
      await topic.close();
    }
    await cluster.formed(TRUSTED);
  });

  it('gives no stream of replicas to a peer that speaks plain text, or has no certificate', async () => {
    for (const id of TRUSTED) {
      const { interBroker } = cluster.node(id);
      for (const stranger of [PLAIN_TEXT, NAMELESS]) expect(await endOfLink(interBroker, stranger)).not.toBe('');
      await cluster.node(id).logs('it does not speak TLS');
    }
  });

  it.each([
    ['with a certificate of another authority', FOREIGN],
    ['that speaks plain text', PLAIN],
  ])('does not let a node in %s, which says so', async (_what, id) => {
    await cluster.start(id);
    await cluster.node(id).logs(cluster.node(1).interBroker);
    const { body } = await cluster.statusOf(id, 'waits', ({ body: shown }) => !shown.healthy);
    expect(body).toMatchObject({ leader_id: null, voters: [] });
    await cluster.until('somebody logs why', () =>
      Promise.resolve(/tls|certificate|plain/i.test(cluster.node(id).log + cluster.node(1).log)),
    );
    expect((await cluster.node(1).members()).body.total).toBe(TRUSTED.length);
    await cluster.node(id).kill();
  });
});
