import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { parse } from 'yaml';
import { beforeAll, describe, expect, it } from 'vitest';
import { REPOSITORY } from '../kit/command';
import { composeFile, readCompose, readStatefulSet } from '../kit/deployments';
import { CONTAINER_UID, INSTALLED_AT } from '../kit/container';
import { environmentOf, stagesOf, textsOf } from '../kit/dockerfile';
import { GUIDE_COMPOSE } from '../kit/guide-compose';

/** Clustering guide, "Health Check Integration", word for word. */
const GUIDE_PROBES = `
livenessProbe:
  httpGet:
    path: /health/live
    port: 9094
  initialDelaySeconds: 10
  periodSeconds: 10

readinessProbe:
  httpGet:
    path: /api/v1/cluster/status
    port: 9094
  initialDelaySeconds: 5
  periodSeconds: 5
`;

/** What the node needs to stop on its own (stop_timeout_ms), with room. */
const STOP_SECONDS_MIN = 15;

let final: ReturnType<typeof stagesOf>[number];

beforeAll(async () => {
  final = stagesOf(await readFile(path.join(REPOSITORY, 'deploy/Dockerfile'), 'utf8')).at(-1) ?? [];
});

describe('docker-compose.yml', () => {
  it("has the guide's services, with the same images, commands and ports", async () => {
    const guide = composeFile.parse(parse(GUIDE_COMPOSE));
    const ours = await readCompose();
    expect(ours.version).toBe(guide.version);
    expect(Object.keys(ours.services)).toEqual(Object.keys(guide.services));
    for (const [name, { image, command, ports }] of Object.entries(guide.services)) {
      expect(ours.services[name], name).toMatchObject({ image, command, ports });
    }
  });

  it('gives each node a volume of its own where the image keeps its data', async () => {
    const { services, volumes = {} } = await readCompose();
    const mounted = Object.values(services).flatMap((service) => service.volumes ?? []);
    expect(mounted).toEqual(Object.keys(volumes).map((name) => `${name}:${textsOf(final, 'VOLUME')[0]}`));
    expect(new Set(mounted).size).toBe(3);
  });

  it('builds the image of this clone, and never takes one of that name from a registry', async () => {
    for (const { build, pull_policy: pullPolicy } of Object.values((await readCompose()).services)) {
      expect(pullPolicy).toBe('build');
      expect(path.join(REPOSITORY, 'deploy', build?.context ?? '')).toBe(REPOSITORY);
      expect(build?.dockerfile).toBe('deploy/Dockerfile');
    }
  });

  it('lets a node finish its stop, and gives it no more rights than it needs', async () => {
    for (const service of Object.values((await readCompose()).services)) {
      expect(Number.parseInt(service.stop_grace_period ?? '', 10)).toBeGreaterThanOrEqual(STOP_SECONDS_MIN);
      expect(service).toMatchObject({ read_only: true, cap_drop: ['ALL'], security_opt: ['no-new-privileges:true'] });
    }
  });

  it('waits until a node is ready with the program of the image', async () => {
    for (const { healthcheck } of Object.values((await readCompose()).services)) {
      expect(healthcheck?.test).toEqual(['CMD', 'node', `${INSTALLED_AT}/bin/healthcheck.mjs`, '/health/ready']);
    }
  });
});

describe('statefulset.yaml', () => {
  it("has the guide's probes, word for word", async () => {
    const { container } = await readStatefulSet();
    const { livenessProbe, readinessProbe } = container;
    expect({ livenessProbe, readinessProbe }).toEqual(parse(GUIDE_PROBES));
  });

  it('starts all pods at once and gives their names out before they are ready, since a node becomes ready by its peers', async () => {
    const { set, documents } = await readStatefulSet();
    expect(set.spec.podManagementPolicy).toBe('Parallel');
    const service = documents.find(({ kind, metadata }) => kind === 'Service' && metadata.name === set.spec.serviceName);
    expect(service?.spec).toMatchObject({ clusterIP: 'None', publishNotReadyAddresses: true });
    expect(set.spec.replicas).toBe(3);
  });

  it('selects its own pods with everything that selects', async () => {
    const { set, documents } = await readStatefulSet();
    const { labels } = set.spec.template.metadata;
    const selectors = documents.map((document) => {
      if (document.kind === 'Service') return document.spec.selector;
      return (document.kind === 'NetworkPolicy' ? document.spec.podSelector : document.spec.selector).matchLabels;
    });
    expect(selectors).toHaveLength(documents.length);
    for (const selector of selectors) expect(selector).toEqual(labels);
  });

  it('keeps a majority through drains, and lets a node finish its stop', async () => {
    const { set, documents } = await readStatefulSet();
    expect(documents.find(({ kind }) => kind === 'PodDisruptionBudget')?.spec).toMatchObject({ maxUnavailable: 1 });
    expect(set.spec.template.spec.terminationGracePeriodSeconds).toBeGreaterThanOrEqual(STOP_SECONDS_MIN);
  });

  it("runs as the image's user, on a read-only root, without capabilities; its data is on a claim where the image keeps it", async () => {
    const { set, container } = await readStatefulSet();
    const user = { runAsNonRoot: true, runAsUser: CONTAINER_UID, runAsGroup: CONTAINER_UID, fsGroup: CONTAINER_UID };
    expect(set.spec.template.spec.securityContext).toMatchObject({ ...user, seccompProfile: { type: 'RuntimeDefault' } });
    expect(container.securityContext).toEqual({
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'] },
    });
    const [claim] = set.spec.volumeClaimTemplates;
    expect(container.volumeMounts).toEqual([
      { name: claim?.metadata.name, mountPath: environmentOf(final)['STREAMLINE_DATA_DIR'] },
    ]);
  });
});
