import { json, type PathDocs, plain } from './operation';

/** What a probe, a monitor or a reader asks of one node. */
export const HEALTH_PATHS: PathDocs = {
  '/health/live': {
    get: {
      operationId: 'getLiveness',
      tags: ['health'],
      summary: 'Liveness probe',
      description: 'Answers as long as the process does. For liveness probes: a node that is not ready is not to be killed.',
      responses: { 200: json('The process answers.', 'Liveness', { live: true }) },
    },
  },
  '/health/ready': {
    get: {
      operationId: 'getReadiness',
      tags: ['health'],
      summary: 'Readiness probe',
      description:
        'Looks at every role of the node now: storage can be written, the log is replayed, the listener is open. For readiness probes.',
      responses: {
        200: json('All roles can do their work.', 'Health'),
        503: json('Some check fails; the body says which.', 'Health'),
      },
    },
  },
  '/health': {
    get: {
      operationId: 'getHealth',
      tags: ['health'],
      summary: 'Liveness and readiness with all checks',
      description: 'The same answer as /health/ready.',
      responses: { 200: json('Ready.', 'Health'), 503: json('Not ready.', 'Health') },
    },
  },
  '/metrics': {
    get: {
      operationId: 'getMetrics',
      tags: ['health'],
      summary: 'Metrics for Prometheus',
      description: 'All metrics of all processes of this node, named streamline_*.',
      responses: { 200: plain("Prometheus' text format, version 0.0.4.", 'text/plain') },
    },
  },
};

export const NODE_PATHS: PathDocs = {
  '/info': {
    get: {
      operationId: 'getInfo',
      tags: ['node'],
      summary: 'What runs here',
      description: 'Version, cluster, node and start of this process.',
      responses: { 200: json('This process.', 'Info') },
    },
  },
  '/docs': {
    get: {
      operationId: 'getDocsPage',
      tags: ['node'],
      summary: 'This API as a page to read',
      description: 'Needs nothing from elsewhere: works offline and without scripts.',
      responses: { 200: plain('The page.', 'text/html') },
    },
  },
  '/docs/openapi.json': {
    get: {
      operationId: 'getOpenApi',
      tags: ['node'],
      summary: 'This API as an OpenAPI 3.1 document',
      description: 'For tools.',
      responses: { 200: { description: 'The document.', content: { 'application/json': { schema: { type: 'object' } } } } },
    },
  },
};
