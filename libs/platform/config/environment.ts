import type { ConfigProblem, GivenValue } from './config-problem';
import { nearestKey } from './nearest-key';
import { ALL_SETTINGS, type AnySetting, type SettingName } from './schema';

const PREFIX = 'STREAMLINE_';

/**
 * What Kubernetes and `docker run --link` put into every container beside a service called "streamline": not meant for
 * us, so neither read nor refused.
 */
const SERVICE_LINK =
  /^STREAMLINE_(?:[A-Z0-9_]+_)?(?:SERVICE_(?:HOST|PORT(?:_[A-Z0-9_]+)?)|PORT(?:_[0-9]+_(?:TCP|UDP|SCTP)(?:_(?:PROTO|PORT|ADDR))?)?)$/;

const SETTING_BY_ENV_NAME: ReadonlyMap<string, AnySetting> = new Map(
  ALL_SETTINGS.flatMap((setting) => setting.envNames.map((name): [string, AnySetting] => [name, setting])),
);

/** Reads the STREAMLINE_* variables. A variable that is empty counts as not set, as container tools leave them. */
export function readEnvironment(env: Readonly<Record<string, string | undefined>>): {
  readonly values: ReadonlyMap<SettingName, GivenValue>;
  readonly problems: readonly ConfigProblem[];
} {
  const values = new Map<SettingName, GivenValue>();
  const problems: ConfigProblem[] = [];
  for (const [name, text] of Object.entries(env)) {
    if (!name.startsWith(PREFIX) || text === undefined || text === '') continue;
    const origin = { kind: 'env', name } as const;
    const setting = SETTING_BY_ENV_NAME.get(name);
    if (setting === undefined) {
      if (SERVICE_LINK.test(name)) continue;
      const nearest = nearestKey(name, SETTING_BY_ENV_NAME.keys());
      const message = `is no setting${nearest === undefined ? '; unset it' : `; did you mean ${nearest}?`}`;
      problems.push({ subject: name, given: { raw: undefined, origin }, message });
      continue;
    }
    const raw = setting.kind.fromText(text);
    const before = values.get(setting.name);
    if (before !== undefined && JSON.stringify(before.raw) !== JSON.stringify(raw)) {
      const message = `says something else than ${setting.envNames.filter((other) => other !== name).join(', ')}; set only one`;
      problems.push({ subject: setting.name, given: { raw, origin }, message });
      continue;
    }
    values.set(setting.name, { raw, origin });
  }
  return { values, problems };
}
