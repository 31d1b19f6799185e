import { milliseconds, optionalUrl, perReplica, secret, settings, url, type Values } from '../kit/config/settings.ts';

export const parkingSettings = settings('parking', {
  url: url("Base address of the vendor's REST API", 'https://parking.example/api'),
  token: secret('Token issued by the vendor, sent as X-MCC-Access-Token'),
  webhookSecret: secret('Shared secret with which the vendor signs its webhooks'),
  callback: perReplica(
    optionalUrl(
      'Public URL of /webhooks/<installation> on this hub; if set, the hub registers the webhook with the vendor',
      'https://hub.example/webhooks/lakeside-parking',
    ),
  ),
  history: milliseconds('How far back the first run reads observations', '1d'),
  poll: milliseconds('Interval at which observations and sessions are polled', '30s'),
  timeout: milliseconds('Timeout of one call', '2s'),
});

export type ParkingSettings = Values<typeof parkingSettings>;
