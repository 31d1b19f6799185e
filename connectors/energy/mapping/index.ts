/** Legacy words to ours: registers, SunSpec models, MQTT payloads, commissioning sheets. Pure. */
export * from './models.ts';
export * from './registers.ts';
export * from './sheet.ts';
export * from './sunspec.ts';
export * from './telemetry.ts';
