import type { Cancel, Clock } from '@streamline/runtime/ports/clock';
import type { Logger } from 'pino';
import { areSameFiles, readTlsFiles, type ReadFile } from './tls-files';
import { parseTlsMaterial, type TlsMaterial } from './tls-material';
import type { TlsSettings } from './tls-settings';

/** How often the files are read. Contents are compared, so that a link that is turned to another file is noticed as well. */
export const RELOAD_POLL_MS = 2_000;
const DAY_MS = 86_400_000;
/** How long before its end a certificate is said to expire, once a day. */
export const EXPIRY_WARNING_MS = 30 * DAY_MS;

export interface WatchedTlsFilesOptions {
  readonly settings: TlsSettings;
  /** By which others reach this node. */
  readonly host: string;
  readonly readFile: ReadFile;
  readonly clock: Pick<Clock, 'wallMs' | 'monotonicMs' | 'schedule'>;
  readonly logger: Pick<Logger, 'info' | 'warn' | 'error'>;
}

/** The certificates of this node, read again whenever their files change. A new one that is of no use changes nothing. */
export class WatchedTlsFiles {
  #cancel: Cancel = () => undefined;
  #isClosed = false;
  /** What was wrong with the files when they were last looked at. */
  #problem: string | undefined;
  #toldProblem: string | undefined;
  #expiryToldAtMs: number | undefined;
  #onChange: (material: TlsMaterial) => void = () => undefined;

  /** @throws TlsMaterialError where the files cannot be used */
  static async open(options: WatchedTlsFilesOptions): Promise<WatchedTlsFiles> {
    const { settings, host, readFile, clock } = options;
    const files = await readTlsFiles(settings, readFile);
    return new WatchedTlsFiles(options, parseTlsMaterial(files, settings, host, clock.wallMs()));
  }

  private constructor(
    private readonly options: WatchedTlsFilesOptions,
    private material: TlsMaterial,
  ) {
    this.#tellDoubts();
    this.#tellExpiry();
    this.#plan();
  }

  get current(): TlsMaterial {
    return this.material;
  }

  onChange(listener: (material: TlsMaterial) => void): void {
    this.#onChange = listener;
  }

  close(): void {
    this.#isClosed = true;
    this.#cancel();
  }

  #plan(): void {
    if (this.#isClosed) return;
    this.#cancel = this.options.clock.schedule(RELOAD_POLL_MS, () => void this.#poll().finally(() => this.#plan()));
  }

  async #poll(): Promise<void> {
    const { settings, host, readFile, clock, logger } = this.options;
    try {
      const files = await readTlsFiles(settings, readFile);
      if (this.#isClosed) return;
      if (!areSameFiles(files, this.material.files)) {
        this.material = parseTlsMaterial(files, settings, host, clock.wallMs());
        this.#onChange(this.material);
        this.#expiryToldAtMs = undefined;
        logger.info(
          { expires: new Date(this.material.expiresAtMs).toISOString() },
          'the certificates of inter_broker_tls were read anew; connections from now on use them',
        );
        this.#tellDoubts();
      }
      this.#problem = undefined;
      this.#toldProblem = undefined;
    } catch (error) {
      this.#tellProblem(error instanceof Error ? error.message : String(error));
    }
    this.#tellExpiry();
  }

  /** The second time in a row: certificate and key are written one after the other, and in between they do not fit. */
  #tellProblem(problem: string): void {
    const isStill = problem === this.#problem;
    this.#problem = problem;
    if (!isStill || problem === this.#toldProblem) return;
    this.#toldProblem = problem;
    this.options.logger.error(
      `the new files of inter_broker_tls are not used, the certificates from before are kept: ${problem}`,
    );
  }

  #tellDoubts(): void {
    for (const doubt of this.material.doubts) this.options.logger.warn(doubt);
  }

  #tellExpiry(): void {
    const { clock, logger } = this.options;
    const leftMs = this.material.expiresAtMs - clock.wallMs();
    const nowMs = clock.monotonicMs();
    if (leftMs > EXPIRY_WARNING_MS || (this.#expiryToldAtMs !== undefined && nowMs - this.#expiryToldAtMs < DAY_MS)) return;
    this.#expiryToldAtMs = nowMs;
    const expires = new Date(this.material.expiresAtMs).toISOString();
    const remedy = 'write a new one to inter_broker_tls.cert_path and its key to inter_broker_tls.key_path, without a restart';
    if (leftMs > 0)
      logger.warn({ expires }, `the certificate of this node expires in ${Math.floor(leftMs / DAY_MS)} days: ${remedy}`);
    else logger.error({ expires }, `the certificate of this node has expired, peers refuse new connections: ${remedy}`);
  }
}
