import type { Logger } from 'pino';
import { type Address, formatAddress, isWildcardHost } from '../config/address';
import type { NodeConfig } from '../config/schema';

/** What a node knows once it runs; addresses are those really bound, absent where the role is in another process. */
export interface NodeFacts {
  readonly version: string;
  readonly clusterId: string | undefined;
  readonly config: Pick<NodeConfig, 'nodeId' | 'roles' | 'dataDir' | 'durability' | 'advertisedAddr'>;
  readonly kafka?: Address;
  readonly http?: Address;
  readonly interBroker: Address;
  /** From the start of the process. */
  readonly readyAfterMs: number;
}

/** An address that a command on this machine can connect to. */
function local({ host, port }: Address): string {
  return formatAddress({ host: isWildcardHost(host) ? '127.0.0.1' : host, port });
}

function tryIt(kafka: Address): readonly string[] {
  const at = local(kafka);
  return [
    '',
    'Try it, with kcat or the tools of Apache Kafka:',
    `  echo hello | kcat -P -b ${at} -t greetings`,
    `  kcat -C -e -b ${at} -t greetings`,
    `  kafka-console-producer.sh --bootstrap-server ${at} --topic greetings`,
    'or, with nothing but npm:',
    `  npm install kafkajs && node -e "const p=new (require('kafkajs').Kafka)({brokers:['${at}']}).producer();` +
      `p.connect().then(()=>p.send({topic:'greetings',messages:[{value:'hello'}]})).then(console.log).finally(()=>p.disconnect())"`,
  ];
}

/** What a person reads first: where the node is and what to do next. */
export function bannerText(facts: NodeFacts): string {
  const { config, kafka, http } = facts;
  const rows: (readonly [string, string])[] = [];
  if (kafka !== undefined)
    rows.push(['Kafka clients', `${formatAddress(kafka)} (advertised as ${formatAddress(config.advertisedAddr)})`]);
  if (http !== undefined) rows.push(['HTTP', `http://${local(http)}/docs  /health  /metrics  /api/v1/cluster/status`]);
  rows.push(['inter-broker', formatAddress(facts.interBroker)], ['data', `${config.dataDir} (durability ${config.durability})`]);
  const title = `Streamline ${facts.version}: node ${config.nodeId} of cluster ${facts.clusterId ?? 'unknown'} is ready after ${Math.round(facts.readyAfterMs)} ms`;
  return [
    title,
    `  ${'roles'.padEnd(14)} ${config.roles.join(', ')}`,
    ...rows.map(([name, value]) => `  ${name.padEnd(14)} ${value}`),
    ...(kafka === undefined ? [] : tryIt(kafka)),
    '',
    'Stop it with Ctrl-C.',
    '',
  ].join('\n');
}

export interface AnnounceTo {
  readonly format: NodeConfig['logFormat'];
  /** Standard output is a terminal. */
  readonly isTerminal: boolean;
  readonly logger: Logger;
  print(text: string): void;
}

/** The banner for people; for a program that reads JSON logs, one object a line, the same facts as a log line. */
export function announce(facts: NodeFacts, { format, isTerminal, logger, print }: AnnounceTo): void {
  if (format === 'pretty' || isTerminal) {
    print(`\n${bannerText(facts)}\n`);
    return;
  }
  const { config, kafka, http, interBroker, version, clusterId, readyAfterMs } = facts;
  logger.info(
    {
      version,
      clusterId,
      roles: config.roles,
      kafka: kafka && formatAddress(kafka),
      advertised: formatAddress(config.advertisedAddr),
      http: http && formatAddress(http),
      interBroker: formatAddress(interBroker),
      dataDir: config.dataDir,
      durability: config.durability,
      readyAfterMs: Math.round(readyAfterMs),
    },
    'ready',
  );
}
