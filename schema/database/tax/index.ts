/** The store of the tax connector. */
export * from './clearances.ts';
export * from './files.ts';
export * from './mirror.ts';
export * from './mirror-queries.ts';
