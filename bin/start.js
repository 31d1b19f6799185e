// `npm start`: takes the port, installs and builds if necessary, then runs `isthmus start` in the same process.
import './parent.js';
import { setFlagsFromString } from 'node:v8';
import { build, needsBuild } from './build.js';
import { DEFAULT_HOST, DEFAULT_PORT, holdPort, PortError, takePort } from './port.js';
import { checkNode, install, isInstalled } from './prepare.js';
import { printStep } from './progress.js';
import { endOnSignals } from './run.js';

// A demo is to be small. The import of its history leaves the heap half empty, unless full collections come earlier and compact it. V8
// ignores flags that it does not know. package.json limits the young generation, which cannot be done here.
for (const flag of ['--heap-growing-percent=50', '--compact-on-every-full-gc']) setFlagsFromString(flag);

checkNode();
endOnSignals();
const hasPackages = isInstalled({ withDevelopment: false });
if (!hasPackages || needsBuild()) {
  const port = Number(process.env.PORT || DEFAULT_PORT);
  try {
    // The hub itself reports an invalid PORT, together with other invalid variables.
    if (Number.isInteger(port) && port >= 0 && port <= 65_535)
      holdPort(await takePort({ host: process.env.HOST || DEFAULT_HOST, port, onProgress: printStep }));
  } catch (error) {
    console.error(error instanceof PortError ? error.message : error);
    process.exit(1);
  }
  if (!hasPackages) await install({ withDevelopment: false });
  if (needsBuild()) await build();
}
process.argv.splice(2, 0, 'start');
await import('./isthmus.js');
