import type { AnySetting } from './schema';

/** Defaults that depend on other settings have a text of their own. */
const NO_INPUTS = {
  profile: 'production',
  roles: [],
  listenAddr: { host: '', port: 0 },
  advertisedAddr: { host: '', port: 0 },
  interBrokerAddr: { host: '', port: 0 },
} as const;

/** The default as help and docs show it; empty where there is none. */
export function defaultText(setting: AnySetting): string {
  if (setting.defaultDoc !== undefined) return setting.defaultDoc;
  const text = setting.kind.format(setting.defaultOf(NO_INPUTS));
  return text === '' && setting.kind.isList ? '[]' : text;
}
