/** The database cannot be used. The message is shown to the operator as it is: what is wrong, where, and what to do. */
export class DatabaseError extends Error {
  override name = 'DatabaseError';
}
