import 'reflect-metadata';

// As for the tests of random operations: with a given seed, the same cases.
const seed = process.env['ISTHMUS_SEED'];
if (seed) (await import('fast-check')).configureGlobal({ seed: Number(seed) });
