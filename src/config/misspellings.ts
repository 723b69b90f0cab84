import { closest, distance } from 'fastest-levenshtein';
import { settings } from './settings.ts';

/** A variable that nothing reads, and the setting that was probably meant. */
export interface Misspelling {
  readonly variable: string;
  readonly meant: string;
}

/**
 * Variables that are named almost like a setting, or like one with UNSEEN_ before it. Short names are let off with less, and
 * so is what Kubernetes sets for a service: `UNSEEN_PORT=tcp://10.0.0.1:4000`.
 */
export function misspellings(env: NodeJS.ProcessEnv = process.env): readonly Misspelling[] {
  return Object.entries(env).flatMap(([variable, value = '']) => {
    if (variable in settings || value === '' || /^(tcp|udp|sctp):\/\//.test(value)) return [];
    const name = variable.replace(/^UNSEEN_/, '');
    const meant = closest(name, Object.keys(settings));
    const length = Math.max(name.length, meant.length);
    const isNear = distance(name, meant) <= (length > 10 ? 2 : length >= 5 ? 1 : 0);
    return isNear ? [{ variable, meant }] : [];
  });
}
