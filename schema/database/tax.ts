/** What the tax connector keeps: its store in one word. */
export * from './tax-clearances.ts';
export * from './tax-files.ts';
export * from './tax-mirror.ts';
export * from './tax-pages.ts';
