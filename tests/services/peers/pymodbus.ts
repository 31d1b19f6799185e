import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freePort } from '../../../schema/database/embedded/free-port.ts';
import { type Peer, run } from './peer.ts';

/** A server by pymodbus: registers are set by writing them (function 16), as an engineer would. */
const SERVER = `
import sys
from pymodbus.server import StartTcpServer
from pymodbus.datastore import ModbusSequentialDataBlock, ModbusSlaveContext, ModbusServerContext
slave = ModbusSlaveContext(hr=ModbusSequentialDataBlock(0, [0] * 200), ir=ModbusSequentialDataBlock(0, [0] * 200), zero_mode=True)
StartTcpServer(context=ModbusServerContext(slaves={1: slave}, single=False), address=("127.0.0.1", int(sys.argv[1])), allow_reuse_address=True)
`;

/** pymodbus; MODBUS_URL, one unit 1 with 200 registers. */
export const pymodbus: Peer = {
  name: 'pymodbus',
  packages: ['python3-pymodbus', 'python3-serial', 'python3-serial-asyncio'],
  program: '/usr/lib/python3/dist-packages/pymodbus/__init__.py',
  start: async (directory) => {
    const port = await freePort();
    const file = join(directory, 'server.py');
    writeFileSync(file, SERVER);
    const { stop } = await run(directory, '/usr/bin/python3', [file, String(port)], port);
    return { env: { MODBUS_URL: `modbus://127.0.0.1:${port}` }, stop };
  },
};
