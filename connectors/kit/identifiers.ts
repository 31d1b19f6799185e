/** Identifiers for mappings and sources: the ground's own checks, lent through the kit. */
export {
  canonical,
  isOldXiamen,
  isRegionCode,
  isSoleTrader,
  maskName,
  maskPlate,
  organisationCheck,
  parsePlate,
  parseUscc,
  usccCheck,
} from '../../schema/graph/identifiers.ts';
