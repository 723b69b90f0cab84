import { Redis } from 'ioredis';
import { withDeadline } from '../../async/deadline.ts';
import { clockFinding, type Finding } from '../../ports/finding.ts';
import { silent } from '../../ports/logger.ts';
import type { RedisLocation } from './connect.ts';
import { createRedisPubSub } from './pub-sub.ts';

const timeoutMs = 5_000;

/**
 * Examines whether Redis is reachable and is a cluster as configured, and examines its version, a round trip
 * of pub/sub, and its clock.
 */
export async function examineRedis(location: RedisLocation): Promise<readonly Finding[]> {
  const { url, cluster } = location;
  const redis = new Redis(url, {
    lazyConnect: true,
    connectTimeout: timeoutMs,
    commandTimeout: timeoutMs,
    retryStrategy: () => null,
    maxRetriesPerRequest: 0,
  });
  let reason = 'no answer';
  redis.on('error', (error: Error) => {
    reason = error.message || (error as NodeJS.ErrnoException).code || reason;
  });
  const startedAt = performance.now();
  try {
    await redis.connect();
  } catch {
    const fix = 'Start it, or fix REDIS_URL. Check the firewall and the password.';
    return [{ state: 'failed', found: `cannot be reached: ${reason}`, fix }];
  }
  try {
    const findings: Finding[] = [
      { state: 'ok', found: `reached in ${Math.round(performance.now() - startedAt)} ms` },
    ];
    const info = await redis.info('server');
    const version = /redis_version:(\S+)/.exec(info)?.[1] ?? 'unknown';
    const isCluster = /redis_mode:cluster/.test(info);
    const oldest = cluster ? [7, 0] : [6, 2];
    findings.push(
      isAtLeast(version, oldest)
        ? { state: 'ok', found: `version ${version}` }
        : {
            state: 'failed',
            found: `version ${version}`,
            fix: `Upgrade Redis to ${oldest.join('.')} or newer.`,
          },
    );
    if (isCluster !== cluster) {
      findings.push({
        state: isCluster ? 'warning' : 'failed',
        found: isCluster ? 'a node of a cluster' : 'not a node of a cluster, as REDIS_CLUSTER says',
        fix: isCluster
          ? 'Set REDIS_CLUSTER=on. Without it, every message goes to every node.'
          : 'Unset REDIS_CLUSTER, or point REDIS_URL to a cluster.',
      });
      if (!isCluster) return findings;
    }
    const before = new Date();
    const [seconds, microseconds] = await redis.time();
    const theirs = new Date(Number(seconds) * 1000 + Number(microseconds) / 1000);
    findings.push(clockFinding(theirs, before, new Date()), await roundTrip(location));
    return findings;
  } catch (error) {
    const found = `refused a command: ${(error as Error).message}`;
    return [
      { state: 'failed', found, fix: 'Let the user of REDIS_URL run INFO, TIME, PUBLISH and SUBSCRIBE.' },
    ];
  } finally {
    redis.disconnect();
  }
}

/** Sends a message to this process itself through pub/sub, like a push. */
async function roundTrip(location: RedisLocation): Promise<Finding> {
  const pubSub = createRedisPubSub({ logger: silent }, location);
  const topic = `doctor:${crypto.randomUUID()}`;
  try {
    let arrive: () => void = () => {};
    const arrived = new Promise<void>((resolve) => {
      arrive = resolve;
    });
    await withDeadline(pubSub.subscribe([topic], () => arrive()).confirmed, timeoutMs);
    const startedAt = performance.now();
    await pubSub.publish([{ topic, value: 'ping' }]);
    await withDeadline(arrived, timeoutMs);
    return { state: 'ok', found: `a message came back in ${(performance.now() - startedAt).toFixed(1)} ms` };
  } catch (error) {
    const { message, cause } = error as Error;
    const found = `pub/sub does not work: ${cause instanceof Error ? cause.message : message}`;
    return {
      state: 'failed',
      found,
      fix: 'Let the user of REDIS_URL publish and subscribe to every channel.',
    };
  } finally {
    await pubSub.close();
  }
}

function isAtLeast(version: string, [major = 0, minor = 0]: readonly number[]): boolean {
  const [theirMajor = 0, theirMinor = 0] = version.split('.').map(Number);
  return theirMajor > major || (theirMajor === major && theirMinor >= minor);
}
