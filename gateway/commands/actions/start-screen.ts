/** What `isthmus start` prints when the hub is up: addresses, commands to try, how to stop. */
import { realpathSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Config } from '../../../connectors/kit/config/config.ts';
import type { Hub } from '../../main.ts';

/** The text for `say`, which replaces each `isthmus NAME`. `data`: the data folder. */
export function startScreen(options: {
  hub: Hub;
  config: Config;
  demo: boolean;
  seconds: string;
  data: string;
}): string {
  const { hub, config, demo, seconds, data } = options;
  const parks = config.parks.map((park) => park.name).join(', ');
  const lines = [
    '',
    `  Isthmus is up after ${seconds} s: ${parks}, ${config.installations.length} legacy systems.`,
    '',
    ...(config.explorer.on ? [`    Explorer   ${hub.url}/explorer`] : []),
    `    Graph      ${hub.url}/graphql`,
    `    Sources    ${hub.url}/readyz`,
    '',
  ];
  if (demo) {
    lines.push(
      '  Try in another terminal:',
      '',
      `    curl -s ${hub.url}/graphql -H 'content-type: application/json' \\`,
      `      -d '{"query":"{ companies(first: 3) { nodes { uscc name presence { peopleInside } } } }"}'`,
      '',
      '    isthmus simulate parking --stop    # the parking system goes down; queries still answer',
      '    isthmus simulate parking           # and it recovers',
      '',
      `  Data and simulators are in ${resolve(data)} (delete the folder to start over). Stop with Ctrl-C.`,
    );
    if (hub.databaseFolder !== null && !hub.databaseFolder.startsWith(realpathSync(data)))
      lines.push(
        `  The database is in ${hub.databaseFolder}: root starts it as another user, who cannot access this folder.`,
      );
    lines.push('');
  } else lines.push('  Stop with Ctrl-C.', '');
  return lines.join('\n');
}
