/**
 * Health check of a container: `node healthcheck.mjs [/health/ready]` ends with 0 where the node of this container answers 200
 * there, else with 1 and the reason. Asks where STREAMLINE_HTTP_ADDR says; a container with --http-addr sets that as well.
 */
import http from 'node:http';

const ANSWER_WITHIN_MS = 3_000;
const REASON_CHARACTERS = 300;

const [path = '/health/live'] = process.argv.slice(2);
const [, host = '', port = '9094'] = /^\[?(.*?)\]?:(\d+)$/.exec(process.env.STREAMLINE_HTTP_ADDR ?? '') ?? [];
// An address to bind to every interface is no address to ask at.
const hostname = ['', '0.0.0.0', '::'].includes(host) ? '127.0.0.1' : host;

function unhealthy(reason) {
  console.error(reason);
  process.exit(1);
}

http
  .get({ hostname, port, path, timeout: ANSWER_WITHIN_MS }, async (response) => {
    let body = '';
    for await (const chunk of response.setEncoding('utf8')) body += chunk;
    if (response.statusCode !== 200) unhealthy(`${path} answered ${response.statusCode}: ${body.slice(0, REASON_CHARACTERS)}`);
    process.exit(0);
  })
  .on('timeout', () => unhealthy(`${path} did not answer within ${ANSWER_WITHIN_MS} ms`))
  .on('error', (error) => unhealthy(`${path}: ${error.message}`));
