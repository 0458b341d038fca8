import * as z from 'zod/mini';
import type { ConfigProblem, GivenValue, Origin } from './config-problem';
import { CROSS_RULES } from './cross-rules';
import { ROLES } from './roles';
import { ALL_SETTINGS, type NodeConfig, SETTINGS, type SettingName } from './schema';
import type { DefaultInputs, Setting } from './setting';

export type ConfigLayer = ReadonlyMap<SettingName, GivenValue>;

export interface ResolvedConfig {
  readonly config: NodeConfig;
  readonly origins: ReadonlyMap<SettingName, Origin>;
  /** Where there are any, `config` is not to be used: what is wrong in it was replaced by its default. */
  readonly problems: readonly ConfigProblem[];
}

const DEFAULT: Origin = { kind: 'default' };

function inQuotesHint(setting: Setting<unknown>, raw: unknown): string | undefined {
  if (typeof raw !== 'number' && typeof raw !== 'boolean') return undefined;
  return z.safeParse(setting.kind.schema, String(raw)).success ? `write it in quotes: "${raw}"` : undefined;
}

function refusalMessage(setting: Setting<unknown>, raw: unknown, issues: readonly z.core.$ZodIssue[]): string {
  const reason = issues.find((issue) => issue.code === 'custom')?.message;
  const hint = setting.kind.hint?.(raw) ?? inQuotesHint(setting, raw);
  return [`must be ${setting.kind.expected}`, reason, hint].filter((part) => part !== undefined).join('; ');
}

/** Takes each setting from the first layer that has it, or its default, and collects what is wrong. */
class Resolver {
  readonly values = new Map<SettingName, unknown>();
  readonly origins = new Map<SettingName, Origin>();
  readonly problems: ConfigProblem[] = [];
  readonly wrong = new Set<SettingName>();

  constructor(private readonly layers: readonly ConfigLayer[]) {}

  take<T>(name: SettingName, setting: Setting<T>, inputs: DefaultInputs): T {
    const value = this.read(name, setting, inputs);
    this.values.set(name, value);
    return value;
  }

  report(name: SettingName, message: string): void {
    const given = this.givenOf(name);
    this.problems.push(given === undefined ? { subject: name, message } : { subject: name, given, message });
    this.wrong.add(name);
  }

  givenOf(name: SettingName): GivenValue | undefined {
    return this.layers.find((layer) => layer.has(name))?.get(name);
  }

  private read<T>(name: SettingName, setting: Setting<T>, inputs: DefaultInputs): T {
    const given = this.givenOf(name);
    this.origins.set(name, given?.origin ?? DEFAULT);
    if (given === undefined) return setting.defaultOf(inputs);
    const parsed = z.safeParse(setting.kind.schema, given.raw);
    if (parsed.success) return parsed.data;
    this.report(name, refusalMessage(setting, given.raw, parsed.error.issues));
    return setting.defaultOf(inputs);
  }
}

function takeInputs(resolver: Resolver): DefaultInputs {
  const anywhere = { host: '0.0.0.0', port: 0 };
  const start: DefaultInputs = {
    profile: 'production',
    roles: ROLES,
    listenAddr: anywhere,
    advertisedAddr: anywhere,
    interBrokerAddr: anywhere,
  };
  const profile = resolver.take('profile', SETTINGS.profile, start);
  const roles = resolver.take('roles', SETTINGS.roles, { ...start, profile });
  const base = { ...start, profile, roles };
  const listenAddr = resolver.take('listen_addr', SETTINGS.listen_addr, base);
  const interBrokerAddr = resolver.take('inter_broker_addr', SETTINGS.inter_broker_addr, base);
  const advertisedAddr = resolver.take('advertised_addr', SETTINGS.advertised_addr, { ...base, listenAddr });
  return { profile, roles, listenAddr, advertisedAddr, interBrokerAddr };
}

function checkCrossRules(resolver: Resolver, config: NodeConfig): void {
  for (const rule of CROSS_RULES) {
    if (rule.settings.some((name) => resolver.wrong.has(name))) continue;
    const message = rule.check(config);
    if (message === undefined) continue;
    const named = rule.settings.find((name) => resolver.givenOf(name) !== undefined) ?? rule.settings[0];
    const isWhole = rule.namesItself === true || named === rule.settings[0];
    resolver.report(named, isWhole ? message : `${rule.settings[0]} ${message}`);
  }
}

/** `layers`: the strongest first (flags, environment, file). */
export function resolveConfig(layers: readonly ConfigLayer[]): ResolvedConfig {
  const resolver = new Resolver(layers);
  const inputs = takeInputs(resolver);
  for (const setting of ALL_SETTINGS) {
    if (!resolver.values.has(setting.name)) resolver.take(setting.name, setting, inputs);
  }
  // The keys of NodeConfig are made from SETTINGS as AnySetting.key is, and each value came out of its setting's schema.
  const config = Object.fromEntries(
    ALL_SETTINGS.map((setting) => [setting.key, resolver.values.get(setting.name)]),
  ) as unknown as NodeConfig;
  checkCrossRules(resolver, config);
  for (const setting of ALL_SETTINGS) {
    if (resolver.wrong.has(setting.name)) continue;
    const reason = setting.refusal?.(resolver.values.get(setting.name));
    if (reason !== undefined) resolver.report(setting.name, `has no effect yet: ${reason}`);
  }
  return { config, origins: resolver.origins, problems: resolver.problems };
}
