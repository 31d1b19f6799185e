/** The first screen: where things are, what to try, how to stop. */
import { realpathSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Config } from '../../../connectors/kit/config/config.ts';
import type { Hub } from '../../main.ts';

/** The text for `say`, which prints each `isthmus NAME` as it has to be typed. */
export function firstScreen(about: { hub: Hub; config: Config; demo: boolean; seconds: string; data: string }): string {
  const { hub, config, demo, seconds } = about;
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
      '    isthmus simulate parking --stop    # the parking system goes down: the answers still come',
      '    isthmus simulate parking           # and it recovers',
      '',
      `  Data and simulators are in ${resolve(about.data)} (delete it to begin anew). Stop with Ctrl-C.`,
    );
    if (hub.records !== null && !hub.records.startsWith(realpathSync(about.data)))
      lines.push(`  The database itself is in ${hub.records}: as root it runs as a user who cannot enter this folder.`);
    lines.push('');
  } else lines.push('  Stop with Ctrl-C.', '');
  return lines.join('\n');
}
