/** A vendor database in MariaDB with a read-only account. MARIADB_URL: an account that may create databases. */
import { type Connection, createConnection } from 'mysql2/promise';

export interface VendorDatabase {
  /** URL with the read-only account. */
  readonly url: string;
  /** Runs `work` with the administrator account in this database. */
  admin<T>(work: (admin: Connection) => Promise<T>): Promise<T>;
  drop(): Promise<void>;
}

/** Creates the database `name` and a read-only account of the same name. */
export async function createVendorDatabase(
  name: string,
  password: string,
  charset = 'utf8mb4',
): Promise<VendorDatabase> {
  const root = process.env['MARIADB_URL'];
  if (!root) throw new Error('MARIADB_URL is not set: run npm run test:services.');
  const admin: VendorDatabase['admin'] = async (work) => {
    const connection = await createConnection({ uri: root, multipleStatements: true });
    try {
      await connection.query(`CREATE DATABASE IF NOT EXISTS ${name} CHARACTER SET ${charset}; USE ${name}`);
      return await work(connection);
    } finally {
      await connection.end();
    }
  };
  await admin((connection) =>
    connection.query(`CREATE USER ${name}@'%' IDENTIFIED BY '${password}'; GRANT SELECT ON ${name}.* TO ${name}@'%'`),
  );
  const address = new URL(root);
  address.username = name;
  address.password = password;
  address.pathname = `/${name}`;
  return {
    url: address.toString(),
    admin,
    drop: async () => {
      await admin((connection) => connection.query(`DROP DATABASE ${name}; DROP USER ${name}@'%'`));
    },
  };
}
