/** The variables that subgraphs receive. */
import { type VariableDefinitionNode, valueFromASTUntyped } from 'graphql';
import { NullPrototypeObject } from './response-data.ts';

/** Subgraphs coerce variables themselves, so they receive what the client sent, with defaults filled in. */
export function variablesToSend(
  definitions: readonly VariableDefinitionNode[],
  given: Readonly<Record<string, unknown>> | undefined,
): Record<string, unknown> {
  const variables = new NullPrototypeObject();
  for (const { variable, defaultValue } of definitions) {
    const name = variable.name.value;
    const value = given && Object.hasOwn(given, name) ? given[name] : undefined;
    if (value !== undefined) variables[name] = value;
    else if (defaultValue) variables[name] = valueFromASTUntyped(defaultValue);
  }
  return variables;
}
