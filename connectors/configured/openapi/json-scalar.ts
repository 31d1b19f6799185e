import { GraphQLScalarType } from 'graphql';

/** Any JSON value, as it is: inside the house only, between Mesh and the mapping. */
export const JSONScalar = new GraphQLScalarType({ name: 'PlainAnswer', serialize: (value) => value });
