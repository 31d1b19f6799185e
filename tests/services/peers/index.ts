/** All peers, in start order. */
import { chromium } from './chromium.ts';
import { mariadb } from './mariadb.ts';
import { mosquitto } from './mosquitto.ts';
import { nats } from './nats.ts';
import { nginx } from './nginx.ts';
import { openssh } from './openssh.ts';
import { openssl } from './openssl.ts';
import type { Peer } from './peer.ts';
import { php } from './php.ts';
import { postgres } from './postgres.ts';
import { pymodbus } from './pymodbus.ts';
import { stdnum } from './stdnum.ts';

export const peers: readonly Peer[] = [
  mariadb,
  postgres,
  mosquitto,
  nats,
  pymodbus,
  php,
  openssl,
  stdnum,
  chromium,
  nginx,
  openssh,
];
