import type { NodeConfig, SettingName } from '../config/schema';

/** The settings of a node whose connections to others are TLS. */
export interface TlsSettings {
  readonly certPath: string;
  readonly keyPath: string;
  /** Set where peers are verified. */
  readonly caCertPath: string | undefined;
  readonly verifyPeer: boolean;
  readonly minVersion: '1.2' | '1.3';
}

type TlsConfig = Pick<
  NodeConfig,
  | 'interBrokerTlsEnabled'
  | 'interBrokerTlsCertPath'
  | 'interBrokerTlsKeyPath'
  | 'interBrokerTlsCaCertPath'
  | 'interBrokerTlsVerifyPeer'
  | 'interBrokerTlsMinVersion'
>;

export type TlsSettingName = Extract<SettingName, `inter_broker_tls.${string}`>;

/** Undefined where TLS is off. The configuration makes sure that what it needs is set (cross-rules.ts). */
export function tlsSettingsOf(config: TlsConfig): TlsSettings | undefined {
  if (!config.interBrokerTlsEnabled) return undefined;
  const { interBrokerTlsCertPath: certPath, interBrokerTlsKeyPath: keyPath, interBrokerTlsVerifyPeer: verifyPeer } = config;
  if (certPath === undefined || keyPath === undefined) throw new Error('TLS between nodes needs a certificate and its key');
  const caCertPath = verifyPeer ? config.interBrokerTlsCaCertPath : undefined;
  return { certPath, keyPath, caCertPath, verifyPeer, minVersion: config.interBrokerTlsMinVersion };
}
