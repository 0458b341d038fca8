export const ROLES = ['controller', 'storage', 'gateway', 'admin'] as const;
export type RoleName = (typeof ROLES)[number];

export const PROFILES = ['production', 'development'] as const;
export type Profile = (typeof PROFILES)[number];
