const KEYS = new Map<unknown, string>();

/** Declares the partition key of an entity's table, such as `RANGE (recorded_at)`; TypeORM does not know partitioning. */
export const PartitionBy =
  (key: string): ClassDecorator =>
  (entity) => {
    KEYS.set(entity, key);
  };

/** The declared partition key of an entity; null: its table is not partitioned. */
export const partitionKeyOf = (entity: unknown): string | null => KEYS.get(entity) ?? null;
