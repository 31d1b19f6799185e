import { milliseconds, secret, settings, url } from '../kit/config/settings.ts';

export const templateSettings = settings('template', {
  url: url("Base URL of the vendor's REST API", 'http://127.0.0.1:4901'),
  token: secret('Bearer token issued by the vendor'),
  timeout: milliseconds('Timeout of one call', '2s'),
});
