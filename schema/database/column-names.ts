/** The names of columns, from the properties of entities. */
import { DefaultNamingStrategy, getMetadataArgsStorage, type NamingStrategyInterface, type Table } from 'typeorm';

/** `recordedAt` to `recorded_at`. */
const snakeCase = (name: string): string => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);

/** For TypeORM. Keys have the names that PostgreSQL gives them when a migration does not. */
export class PostgresNaming extends DefaultNamingStrategy implements NamingStrategyInterface {
  override columnName(property: string, name: string | undefined): string {
    return name || snakeCase(property);
  }

  override primaryKeyName(table: Table | string): string {
    return `${this.getTableName(table)}_pkey`;
  }

  override foreignKeyName(table: Table | string, columns: string[]): string {
    return `${this.getTableName(table)}_${columns.join('_')}_fkey`;
  }
}

/**
 * The select list that reads rows as TypeORM does, such as `event.id, event.recorded_at AS "recordedAt"`, without the properties of `except`
 * and those with `select: false`. Dates are text: the driver would make local midnights of them.
 *
 * @param alias of the table in the statement; default: its name
 */
export function selectList<Row>(
  entity: new () => Row,
  except: readonly (keyof Row & string)[] = [],
  alias = getMetadataArgsStorage().tables.find((table) => table.target === entity)?.name,
): string {
  const columns = getMetadataArgsStorage().columns.filter(
    ({ target, propertyName, options }) =>
      target === entity && options.select !== false && !(except as readonly string[]).includes(propertyName),
  );
  return columns
    .map(({ propertyName, options }) => {
      if (options.query) return `(${options.query(`${alias}`)}) AS "${propertyName}"`;
      const column = `${alias}.${options.name ?? snakeCase(propertyName)}`;
      if (options.type === 'date') return `${column}::text AS "${propertyName}"`;
      return column.endsWith(`.${propertyName}`) ? column : `${column} AS "${propertyName}"`;
    })
    .join(', ');
}
