import { NodeClock } from '@streamline/runtime/time/node-clock';
import type { Logger } from 'pino';
import type { NodeConfig } from '../config/schema';
import type { InterBrokerSecurity } from './inter-broker-security';
import { PLAIN_TEXT } from './plain-text';
import { TlsSecurity } from './tls-security';
import { tlsSettingsOf } from './tls-settings';

/**
 * What the settings `inter_broker_tls.*` ask for.
 *
 * @throws TlsMaterialError where the files that they name cannot be used
 */
export async function openSecurity(config: NodeConfig, logger: Logger): Promise<InterBrokerSecurity> {
  const settings = tlsSettingsOf(config);
  if (settings !== undefined) {
    const { host } = config.advertisedInterBrokerAddr;
    return TlsSecurity.open({ settings, host, process: config.roles.join('+'), clock: new NodeClock(), logger });
  }
  const isPrepared = config.interBrokerTlsCertPath ?? config.interBrokerTlsKeyPath ?? config.interBrokerTlsCaCertPath;
  if (isPrepared !== undefined) {
    logger.warn('connections between nodes are plain text: certificates are given, but inter_broker_tls.enabled is false');
  }
  return PLAIN_TEXT;
}
