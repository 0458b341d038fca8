import { readFileSync } from 'node:fs';

const BOOT_ID_PATH = '/proc/sys/kernel/random/boot_id';

/**
 * Names the time since the machine was last booted; undefined where the platform does not tell. Equal ids mean that the
 * page cache survived (P-1, P-2).
 */
export function readBootId(path: string = BOOT_ID_PATH): string | undefined {
  try {
    const id = readFileSync(path, 'utf8').trim();
    return /^[0-9a-f-]{36}$/.test(id) ? id : undefined;
  } catch {
    return undefined;
  }
}
