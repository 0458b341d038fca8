import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { parse, parseAllDocuments } from 'yaml';
import * as z from 'zod/mini';
import { REPOSITORY } from './command';

/**
 * The files of deploy/ that describe clusters, as far as we use what may stand in them. Closed: a name that Compose or Kubernetes
 * does not have, or that no spec has looked at, is an error.
 */

const text = z.string();
const count = z.int();
const texts = z.array(text);

const service = z.strictObject({
  image: text,
  command: text,
  ports: texts,
  volumes: z.optional(texts),
  build: z.optional(z.strictObject({ context: text, dockerfile: text })),
  pull_policy: z.optional(text),
  restart: z.optional(text),
  stop_grace_period: z.optional(text),
  read_only: z.optional(z.boolean()),
  cap_drop: z.optional(texts),
  security_opt: z.optional(texts),
  ulimits: z.optional(z.strictObject({ nofile: count })),
  healthcheck: z.optional(z.strictObject({ test: texts, interval: text, timeout: text, start_period: text, retries: count })),
});

export const composeFile = z.strictObject({
  version: text,
  name: z.optional(text),
  services: z.record(text, service),
  volumes: z.optional(z.record(text, z.null())),
  'x-node': z.optional(z.unknown()),
});

export type ComposeFile = z.infer<typeof composeFile>;

const labels = z.record(text, text);
const metadata = z.strictObject({ name: text, labels: z.optional(labels) });
const selector = z.strictObject({ matchLabels: labels });
const probe = z.strictObject({
  httpGet: z.strictObject({ path: text, port: count }),
  initialDelaySeconds: count,
  periodSeconds: count,
});
const quantities = z.strictObject({ cpu: z.optional(text), memory: z.optional(text), storage: z.optional(text) });

const container = z.strictObject({
  name: text,
  image: text,
  env: z.array(
    z.strictObject({
      name: text,
      valueFrom: z.strictObject({ fieldRef: z.strictObject({ fieldPath: z.enum(['metadata.name', 'metadata.namespace']) }) }),
    }),
  ),
  command: texts,
  ports: z.array(z.strictObject({ name: text, containerPort: count })),
  livenessProbe: probe,
  readinessProbe: probe,
  resources: z.strictObject({ requests: quantities, limits: quantities }),
  securityContext: z.strictObject({
    allowPrivilegeEscalation: z.boolean(),
    readOnlyRootFilesystem: z.boolean(),
    capabilities: z.strictObject({ drop: texts }),
  }),
  volumeMounts: z.array(z.strictObject({ name: text, mountPath: text })),
});

const podSpec = z.strictObject({
  terminationGracePeriodSeconds: count,
  automountServiceAccountToken: z.boolean(),
  securityContext: z.strictObject({
    runAsNonRoot: z.boolean(),
    runAsUser: count,
    runAsGroup: count,
    fsGroup: count,
    fsGroupChangePolicy: z.enum(['Always', 'OnRootMismatch']),
    seccompProfile: z.strictObject({ type: text }),
  }),
  affinity: z.strictObject({
    podAntiAffinity: z.strictObject({
      preferredDuringSchedulingIgnoredDuringExecution: z.array(
        z.strictObject({
          weight: count,
          podAffinityTerm: z.strictObject({ topologyKey: text, labelSelector: selector }),
        }),
      ),
    }),
  }),
  containers: z.array(container).check(z.length(1)),
});

const statefulSet = z.strictObject({
  apiVersion: z.literal('apps/v1'),
  kind: z.literal('StatefulSet'),
  metadata,
  spec: z.strictObject({
    serviceName: text,
    replicas: count,
    podManagementPolicy: z.enum(['OrderedReady', 'Parallel']),
    minReadySeconds: count,
    selector,
    template: z.strictObject({ metadata: z.strictObject({ labels, annotations: labels }), spec: podSpec }),
    volumeClaimTemplates: z.array(
      z.strictObject({
        metadata,
        spec: z.strictObject({ accessModes: texts, resources: z.strictObject({ requests: quantities }) }),
      }),
    ),
  }),
});

const servicePorts = z.array(z.strictObject({ name: text, port: count }));
const policyPorts = z.optional(z.array(z.strictObject({ port: count })));

const kubernetesDocument = z.discriminatedUnion('kind', [
  statefulSet,
  z.strictObject({
    apiVersion: z.literal('v1'),
    kind: z.literal('Service'),
    metadata,
    spec: z.strictObject({
      clusterIP: z.optional(z.literal('None')),
      publishNotReadyAddresses: z.optional(z.boolean()),
      selector: labels,
      ports: servicePorts,
    }),
  }),
  z.strictObject({
    apiVersion: z.literal('policy/v1'),
    kind: z.literal('PodDisruptionBudget'),
    metadata,
    spec: z.strictObject({ maxUnavailable: count, selector }),
  }),
  z.strictObject({
    apiVersion: z.literal('networking.k8s.io/v1'),
    kind: z.literal('NetworkPolicy'),
    metadata,
    spec: z.strictObject({
      podSelector: selector,
      policyTypes: z.array(z.enum(['Ingress', 'Egress'])),
      ingress: z.array(
        z.strictObject({ ports: policyPorts, from: z.optional(z.array(z.strictObject({ podSelector: selector }))) }),
      ),
    }),
  }),
]);

export type KubernetesDocument = z.infer<typeof kubernetesDocument>;
type StatefulSet = z.infer<typeof statefulSet>;

/** deploy/docker-compose.yml */
export async function readCompose(): Promise<ComposeFile> {
  return composeFile.parse(parse(await readFile(path.join(REPOSITORY, 'deploy/docker-compose.yml'), 'utf8'), { merge: true }));
}

/** deploy/kubernetes/statefulset.yaml: everything in it, the StatefulSet, and the one container of its pods. */
export async function readStatefulSet(): Promise<{
  readonly documents: readonly KubernetesDocument[];
  readonly set: StatefulSet;
  readonly container: z.infer<typeof container>;
}> {
  const file = await readFile(path.join(REPOSITORY, 'deploy/kubernetes/statefulset.yaml'), 'utf8');
  const documents = parseAllDocuments(file).map((document) => {
    const [error] = document.errors;
    if (error) throw error;
    return kubernetesDocument.parse(document.toJS());
  });
  const set = documents.find((document) => document.kind === 'StatefulSet');
  const first = set?.spec.template.spec.containers[0];
  if (!set || !first) throw new Error('there is no StatefulSet with a container');
  return { documents, set, container: first };
}
