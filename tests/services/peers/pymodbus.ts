import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freePort } from '../../../schema/database/embedded/free-port.ts';
import { type Peer, startProgram } from './peer.ts';

/** A pymodbus server; tests set registers by writing them (function 16). */
const SERVER = `
import sys
from pymodbus.server import StartTcpServer
from pymodbus.datastore import ModbusSequentialDataBlock, ModbusSlaveContext, ModbusServerContext
slave = ModbusSlaveContext(hr=ModbusSequentialDataBlock(0, [0] * 200), ir=ModbusSequentialDataBlock(0, [0] * 200), zero_mode=True)
StartTcpServer(context=ModbusServerContext(slaves={1: slave}, single=False), address=("127.0.0.1", int(sys.argv[1])), allow_reuse_address=True)
`;

/** pymodbus with one unit 1 of 200 registers. Sets MODBUS_URL. */
export const pymodbus: Peer = {
  name: 'pymodbus',
  packages: ['python3-pymodbus', 'python3-serial', 'python3-serial-asyncio'],
  program: '/usr/lib/python3/dist-packages/pymodbus/__init__.py',
  start: async (directory) => {
    const port = await freePort();
    const file = join(directory, 'server.py');
    writeFileSync(file, SERVER);
    const { stop } = await startProgram(directory, '/usr/bin/python3', [file, String(port)], port);
    return { env: { MODBUS_URL: `modbus://127.0.0.1:${port}` }, stop };
  },
};
