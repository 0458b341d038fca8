import { type DynamicModule, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { RoleServiceDefinition } from '@streamline/wire/contracts/generated/streamline/node/v1/role';
import { ExitCode } from '../config/exit-codes';
import type { RoleName } from '../config/roles';
import type { ResolvedConfig } from '../config/resolve-config';
import type { NodeConfig } from '../config/schema';
import { announce } from '../lifecycle/banner';
import { reportFailure } from '../lifecycle/failure';
import type { Component } from '../lifecycle/lifecycle';
import { createLogger } from '../lifecycle/logger';
import { NestLogger } from '../lifecycle/nest-logger';
import { runNode, type RunningNode } from '../lifecycle/run-node';
import { StartupError } from '../lifecycle/startup-error';
import { InterBrokerServer } from '../rpc/inter-broker-server';
import { HOST, type Host } from './host';
import { type HostedRole, type RoleService, START_ORDER } from './hosted-role';
import { NodeHost } from './node-host';
import { ProcessGrpcController } from './process-grpc.controller';

const HEALTH_SERVICE = 'health service';

/** Makes the Host known to the modules of all roles. */
@Module({})
class HostModule {}

@Module({})
class ProcessModule {}

function rootModule(host: Host, services: readonly RoleService[]): DynamicModule {
  const provider = { provide: HOST, useValue: host };
  const hostModule = {
    module: HostModule,
    global: true,
    providers: [provider],
    exports: [provider],
    controllers: [ProcessGrpcController],
  };
  return { module: ProcessModule, imports: [hostModule, ...services.map((service) => service.module)] };
}

/** The services of this process that were asked for, in the order of their start. */
function chosenServices(config: NodeConfig, services: readonly RoleService[]): RoleService[] {
  const missing = config.roles.filter((role) => !services.some((service) => service.role === role));
  if (missing.length > 0) {
    const has = services.map((service) => service.role).join(', ');
    const remedy = `Start it with --roles ${has}, or use the streamline command, which has all roles.`;
    throw new StartupError(ExitCode.USAGE, `this program has no role ${missing.join(', ')}`, remedy);
  }
  return START_ORDER.flatMap((role) => services.filter((service) => service.role === role && config.roles.includes(role)));
}

/** Instantiates the Nest modules of the roles; nothing is started by it. */
async function compose(host: NodeHost, services: readonly RoleService[]): Promise<readonly Component[]> {
  const instances = new Map<RoleName, HostedRole>();
  const instance = (role: RoleName): HostedRole => {
    const made = instances.get(role);
    if (!made) throw new Error(`the role ${role} was asked for before it was made`);
    return made;
  };
  const linked = services.find((service) => service.takeLink !== undefined);
  const server = new InterBrokerServer({
    ...host.config.interBrokerAddr,
    security: host.security,
    takeLink: linked?.takeLink?.(() => instance(linked.role)),
    services: [
      { definition: RoleServiceDefinition },
      ...services.flatMap((service) => service.served(() => instance(service.role))),
    ],
  });
  const logger = new NestLogger(host.logger);
  const app = await NestFactory.createMicroservice(rootModule(host, services), { strategy: server, logger, abortOnError: false });
  for (const { role, token } of services) instances.set(role, app.get<HostedRole>(token, { strict: false }));
  host.roles.push(...instances.values());

  const components = [...instances.values()].map((role): Component => ({
    name: role.role,
    start: () => role.start(),
    stop: (deadline) => role.stop(deadline),
  }));
  const listener: Component = {
    name: 'inter-broker listener',
    // Before everything else: what other nodes ask is answered also while this one looks for its cluster.
    start: async () => {
      await app.listen();
    },
    stop: () => app.close(),
  };
  const serving: Component = {
    name: HEALTH_SERVICE,
    start: () => Promise.resolve(server.setServing(true)),
    stop: () => Promise.resolve(server.setServing(false)),
  };
  const needsMetadata = ({ name }: Component): boolean => name === 'storage' || name === 'gateway';
  const others = components.filter((component) => !needsMetadata(component));
  return [host.base, listener, ...others, host.follower, ...components.filter(needsMetadata), serving];
}

function announceReady(host: Host): void {
  const { config, version, logger, replica } = host;
  announce(
    {
      version,
      config,
      clusterId: replica.image.clusterId,
      ...(config.roles.includes('gateway') && { kafka: config.listenAddr }),
      ...(config.roles.includes('admin') && { http: config.httpAddr }),
      interBroker: config.interBrokerAddr,
      readyAfterMs: performance.now(),
    },
    { format: config.logFormat, isTerminal: process.stdout.isTTY, logger, print: (text) => process.stdout.write(text) },
  );
}

/** What serves clients, and counts on the cluster for it. */
const SERVING = ['storage', 'gateway', HEALTH_SERVICE];

/** Runs the roles of a configuration in this process, for as long as it lives. Ends the process where that fails. */
export async function runRoles(
  { config, origins }: Pick<ResolvedConfig, 'config' | 'origins'>,
  services: readonly RoleService[],
): Promise<void> {
  const logger = createLogger({ level: config.logLevel, format: config.logFormat, nodeId: config.nodeId });
  let node: RunningNode | undefined;
  try {
    const chosen = chosenServices(config, services);
    const host = await NodeHost.open(
      config,
      logger,
      (error) => node?.fatal(error),
      (refusal) => node?.withdraw(SERVING, refusal),
      origins,
    );
    const components = await compose(host, chosen);
    node = runNode({
      components,
      logger,
      stopTimeoutMs: config.stopTimeoutMs,
      failureContext: { config },
      onReady: () => announceReady(host),
    });
  } catch (error) {
    const exitCode = reportFailure(logger, error, { config });
    logger.flush();
    process.exit(exitCode);
  }
}
