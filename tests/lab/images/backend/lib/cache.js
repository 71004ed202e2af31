const { createClient } = require('redis');
const config = require('./config');
const logger = require('./logger');

const ATTEMPTS = 10;
const PAUSE_MILLISECONDS = 2000;

let failures = 0;
const client = createClient({
  url: config.redisUrl,
  disableOfflineQueue: true,
  socket: {
    connectTimeout: PAUSE_MILLISECONDS,
    reconnectStrategy: (retries) => {
      if (retries >= ATTEMPTS) return new Error('Redis: max reconnection attempts reached');
      return PAUSE_MILLISECONDS;
    },
  },
});
client.on('error', (error) => {
  failures += 1;
  logger.error(`Redis client error: ${error.message || error.code}`);
});
client.on('ready', () => {
  failures = 0;
  logger.info('Redis connected successfully');
});

// Returns when Redis answers, or when the last attempt has failed: then there is no cache.
async function connect() {
  try {
    await client.connect();
  } catch (error) {
    logger.warn(`Redis unavailable after ${failures} errors, continuing without cache`);
  }
}

// The cached value of cache:<module>:<key>, or what `load` gives.
async function through(module, key, seconds, load) {
  const name = `cache:${module}:${key}`;
  if (client.isReady) {
    try {
      const hit = await client.get(name);
      if (hit !== null) return JSON.parse(hit);
    } catch (error) {
      logger.warn(`Cache read failed: ${error.message}`);
    }
  }
  const value = await load();
  if (client.isReady) client.setEx(name, seconds, JSON.stringify(value)).catch(() => {});
  return value;
}

module.exports = { connect, through };
