/** A vendor's database in MariaDB, with an account that may only read. MARIADB_URL names an account that may make databases. */
import { type Connection, createConnection } from 'mysql2/promise';

export interface Vendor {
  /** With the account that may only read. */
  readonly url: string;
  /** With the one that may do anything, in this database. */
  admin<T>(work: (admin: Connection) => Promise<T>): Promise<T>;
  drop(): Promise<void>;
}

/** Makes the database `name` and an account of the same name. */
export async function vendor(name: string, password: string, charset = 'utf8mb4'): Promise<Vendor> {
  const root = process.env['MARIADB_URL'];
  if (!root) throw new Error('MARIADB_URL is not set: start the peers with npm run test:services.');
  const admin: Vendor['admin'] = async (work) => {
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
