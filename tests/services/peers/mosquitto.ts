import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freePort } from '../../../schema/database/embedded/free-port.ts';
import { type Peer, startProgram } from './peer.ts';

/** Mosquitto with persistence. Sets MQTT_URL. */
export const mosquitto: Peer = {
  name: 'Mosquitto',
  packages: ['mosquitto'],
  program: 'mosquitto',
  start: async (directory) => {
    const port = await freePort();
    const data = join(directory, 'data/');
    mkdirSync(data, { recursive: true });
    const file = join(directory, 'mosquitto.conf');
    writeFileSync(
      file,
      [
        `listener ${port} 127.0.0.1`,
        'allow_anonymous true',
        'persistence true',
        `persistence_location ${data}`,
        'max_queued_messages 0',
        'max_inflight_messages 1000',
        'user root',
        '',
      ].join('\n'),
    );
    const { stop } = await startProgram(directory, 'mosquitto', ['-c', file], port);
    return { env: { MQTT_URL: `mqtt://127.0.0.1:${port}` }, stop };
  },
};
