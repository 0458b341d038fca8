import { ExitCode } from '../config/exit-codes';
import { StartupError } from '../lifecycle/startup-error';
import type { TlsSettingName } from './tls-settings';

/** A file that a setting names cannot be used; ends a node that starts, and leaves one that runs with what it has. */
export class TlsMaterialError extends StartupError {
  constructor(setting: TlsSettingName, path: string, problem: string, remedy: string, options?: ErrorOptions) {
    super(ExitCode.CERTIFICATE_UNUSABLE, `${setting}: ${path} ${problem}`, remedy, options);
  }
}
