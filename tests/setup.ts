import 'reflect-metadata';

// The same random cases for the same seed.
const seed = process.env['ISTHMUS_SEED'];
if (seed) (await import('fast-check')).configureGlobal({ seed: Number(seed) });
