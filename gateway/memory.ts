/** `isthmus gateway` stands beside other programs: it holds little memory rather than all that the collector would take. */
import { setFlagsFromString } from 'node:v8';

/** A full collection comes when this much more than the last one left is held; V8 would wait for up to four times of it. */
const GROWTH_PERCENT = 50;

/**
 * To be called once everything is loaded. From then on the young generation stays as large as loading has made it (some 16 MB instead
 * of 48), and the old one is collected sooner. Both are read by V8 at each collection, so they need no flag on the command line; a V8
 * that does not know them goes on as it is.
 */
export function holdLittle(): void {
  setFlagsFromString('--semi-space-growth-factor=1');
  setFlagsFromString(`--heap-growing-percent=${GROWTH_PERCENT}`);
}
