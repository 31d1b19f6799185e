import { custom, type Setting } from '../../kit/config/settings.ts';
import { redactSecret } from '../../kit/log.ts';

/** The setting `headers`. Its values may be secrets: they are removed from every log line. */
export const headersSetting: Setting<Readonly<Record<string, string>>> = {
  ...custom(
    'Headers of every call, such as an API key',
    '{ x-api-key: "${NAME}" }',
    (raw) => {
      if (typeof raw !== 'object' || raw === null || Array.isArray(raw))
        throw new Error('must be a mapping from header names to values');
      const headers = Object.fromEntries(
        Object.entries(raw).map(([name, value]) => [name.toLowerCase(), String(value)]),
      );
      for (const value of Object.values(headers)) if (value.length >= 6) redactSecret(value);
      return headers;
    },
    {},
  ),
  secret: true,
};
