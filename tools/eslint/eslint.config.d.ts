import type { Linter } from 'eslint';

export const root: string;
export const layers: Linter.Config[];
