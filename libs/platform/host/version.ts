import manifest from '../../../package.json';

/** Of this build. */
export const VERSION: string = manifest.version;
