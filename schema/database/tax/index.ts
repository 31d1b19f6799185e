/** What the tax connector keeps: its store in one word. */
export * from './clearances.ts';
export * from './files.ts';
export * from './mirror.ts';
export * from './mirror-queries.ts';
